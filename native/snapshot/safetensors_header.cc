#include "snapshot/safetensors_header.h"

#include <algorithm>
#include <array>
#include <set>
#include <tuple>
#include <utility>

#include "core/error.h"

namespace trivium::snapshot {
namespace {

// JavaScript's largest exact integer; far above any file, far below where sums of two could overflow.
constexpr uint64_t kMaxInteger = (uint64_t{1} << 53) - 1;
constexpr size_t kMaxDimensions = 64;

struct DTypeName {
  const char* name;
  c10::ScalarType dtype;
};
constexpr std::array<DTypeName, 15> kDTypes{{
    {"BOOL", c10::ScalarType::Bool},
    {"U8", c10::ScalarType::Byte},
    {"I8", c10::ScalarType::Char},
    {"I16", c10::ScalarType::Short},
    {"U16", c10::ScalarType::UInt16},
    {"I32", c10::ScalarType::Int},
    {"U32", c10::ScalarType::UInt32},
    {"I64", c10::ScalarType::Long},
    {"U64", c10::ScalarType::UInt64},
    {"F16", c10::ScalarType::Half},
    {"BF16", c10::ScalarType::BFloat16},
    {"F32", c10::ScalarType::Float},
    {"F64", c10::ScalarType::Double},
    {"F8_E4M3", c10::ScalarType::Float8_e4m3fn},
    {"F8_E5M2", c10::ScalarType::Float8_e5m2},
}};

/// The format's header is three levels deep at most, so that no function here recurses on input.
class Parser {
 public:
  Parser(std::string_view text, std::string path) : text_(text), path_(std::move(path)) {}

  SafetensorsHeader parse() {
    if (text_.empty() || text_[0] != '{') fail("the header must start with '{'");
    SafetensorsHeader header;
    std::set<std::string, std::less<>> names;
    members([&](std::string key) {
      if (!names.insert(key).second) fail("\"" + key + "\" appears twice");
      if (key == "__metadata__") {
        members([&](std::string name) {
          std::string value = string();
          if (!header.metadata.emplace(std::move(name), std::move(value)).second) fail("a metadata key appears twice");
        });
      } else {
        header.tensors.push_back(entry(std::move(key)));
      }
    });
    skip_space();
    if (at_ != text_.size()) fail("text follows the header's closing brace");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& reason) const {
    throw error(ErrorKind::Snapshot, path_, ": expected a safetensors file, but ", reason, " (byte ", at_, " of its header). ",
                "The file is damaged or of another format; copy or write it again.");
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
  }

  void expect(char wanted) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != wanted) fail(std::string("'") + wanted + "' is missing");
    ++at_;
  }

  bool accept(char wanted) {
    skip_space();
    if (peek() != wanted || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }

  template <typename OnMember>
  void members(OnMember on_member) {
    expect('{');
    if (accept('}')) return;
    do {
      std::string key = string();
      expect(':');
      on_member(std::move(key));
    } while (accept(','));
    expect('}');
  }

  std::vector<uint64_t> integers() {
    std::vector<uint64_t> values;
    expect('[');
    if (accept(']')) return values;
    do {
      if (values.size() == kMaxDimensions) fail("a list is longer than " + std::to_string(kMaxDimensions));
      values.push_back(integer());
    } while (accept(','));
    expect(']');
    return values;
  }

  uint64_t integer() {
    skip_space();
    const size_t start = at_;
    uint64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + static_cast<uint64_t>(peek() - '0');
      if (value > kMaxInteger) fail("a number is above 2^53 - 1");
      ++at_;
    }
    if (at_ == start) fail("a non-negative integer is missing");
    if (at_ - start > 1 && text_[start] == '0') fail("a number has a leading zero");
    return value;
  }

  uint32_t hex4() {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = peek();
      uint32_t digit;
      if (c >= '0' && c <= '9') digit = static_cast<uint32_t>(c - '0');
      else if (c >= 'a' && c <= 'f') digit = static_cast<uint32_t>(c - 'a' + 10);
      else if (c >= 'A' && c <= 'F') digit = static_cast<uint32_t>(c - 'A' + 10);
      else fail("a \\u escape is malformed");
      value = value * 16 + digit;
      ++at_;
    }
    return value;
  }

  void append_escape(std::string& out) {
    const char c = peek();
    ++at_;
    switch (c) {
      case '"': case '\\': case '/': out += c; return;
      case 'b': out += '\b'; return;
      case 'f': out += '\f'; return;
      case 'n': out += '\n'; return;
      case 'r': out += '\r'; return;
      case 't': out += '\t'; return;
      case 'u': break;
      default: fail("a string has an unknown escape");
    }
    uint32_t code = hex4();
    if (code >= 0xDC00 && code <= 0xDFFF) fail("a string has half a surrogate pair");
    if (code >= 0xD800 && code <= 0xDBFF) {
      if (peek() != '\\') fail("a string has half a surrogate pair");
      ++at_;
      if (peek() != 'u') fail("a string has half a surrogate pair");
      ++at_;
      const uint32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail("a string has half a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code < 0x80) {
      out += static_cast<char>(code);
    } else if (code < 0x800) {
      out += static_cast<char>(0xC0 | (code >> 6));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else if (code < 0x10000) {
      out += static_cast<char>(0xE0 | (code >> 12));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    } else {
      out += static_cast<char>(0xF0 | (code >> 18));
      out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
      out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
      out += static_cast<char>(0x80 | (code & 0x3F));
    }
  }

  std::string string() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ >= text_.size()) fail("a string is not closed");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c == '\\') append_escape(out);
      else if (static_cast<unsigned char>(c) < 0x20) fail("a string holds a control character");
      else out += c;
    }
  }

  TensorEntry entry(std::string name) {
    TensorEntry tensor;
    bool has_dtype = false, has_shape = false, has_offsets = false;
    members([&](const std::string& key) {
      if (key == "dtype" && !has_dtype) {
        tensor.dtype = dtype(string());
        has_dtype = true;
      } else if (key == "shape" && !has_shape) {
        for (const uint64_t size : integers()) tensor.shape.push_back(static_cast<int64_t>(size));
        has_shape = true;
      } else if (key == "data_offsets" && !has_offsets) {
        const std::vector<uint64_t> offsets = integers();
        if (offsets.size() != 2) fail("data_offsets of \"" + name + "\" is not a pair");
        tensor.begin = offsets[0];
        tensor.end = offsets[1];
        has_offsets = true;
      } else {
        fail("\"" + name + "\" has an unknown or repeated key \"" + key + "\"");
      }
    });
    if (!has_dtype || !has_shape || !has_offsets) fail("\"" + name + "\" lacks one of dtype, shape, data_offsets");
    tensor.name = std::move(name);
    check_size(tensor);
    return tensor;
  }

  c10::ScalarType dtype(const std::string& name) const {
    for (const auto& known : kDTypes) {
      if (name == known.name) return known.dtype;
    }
    fail("the dtype \"" + name + "\" is unknown");
  }

  void check_size(const TensorEntry& tensor) const {
    if (tensor.end < tensor.begin) fail("\"" + tensor.name + "\" ends before it begins");
    // The partial products are bounded even where a later zero would make the whole product small: strides are computed from them.
    uint64_t bytes = c10::elementSize(tensor.dtype);
    bool empty = false;
    for (const int64_t size : tensor.shape) {
      if (size == 0) {
        empty = true;
        continue;
      }
      if (static_cast<uint64_t>(size) > kMaxInteger / bytes) fail("the shape of \"" + tensor.name + "\" is too large");
      bytes *= static_cast<uint64_t>(size);
    }
    if (empty) bytes = 0;
    if (bytes != tensor.end - tensor.begin) {
      fail("\"" + tensor.name + "\" needs " + std::to_string(bytes) + " bytes by its shape and has " +
           std::to_string(tensor.end - tensor.begin));
    }
  }

  std::string_view text_;
  std::string path_;
  size_t at_ = 0;
};

void append_json_string(std::string& out, const std::string& text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out += "\\u00";
      out += kHex[(c >> 4) & 0xF];
      out += kHex[c & 0xF];
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

const char* safetensors_dtype(c10::ScalarType dtype) {
  for (const auto& known : kDTypes) {
    if (known.dtype == dtype) return known.name;
  }
  return nullptr;
}

bool is_valid_utf8(std::string_view text) {
  size_t i = 0;
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  while (i < text.size()) {
    const unsigned char lead = byte(i);
    size_t extra;
    uint32_t code, smallest;
    if (lead < 0x80) {
      ++i;
      continue;
    }
    if (lead >= 0xC2 && lead <= 0xDF) extra = 1, code = lead & 0x1F, smallest = 0x80;
    else if (lead >= 0xE0 && lead <= 0xEF) extra = 2, code = lead & 0x0F, smallest = 0x800;
    else if (lead >= 0xF0 && lead <= 0xF4) extra = 3, code = lead & 0x07, smallest = 0x10000;
    else return false;
    if (text.size() - i <= extra) return false;
    for (size_t k = 1; k <= extra; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return false;
      code = (code << 6) | (byte(i + k) & 0x3Fu);
    }
    if (code < smallest || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    i += extra + 1;
  }
  return true;
}

SafetensorsHeader parse_safetensors_header(std::string_view json, uint64_t data_bytes, const std::string& path) {
  if (!is_valid_utf8(json)) {
    throw error(ErrorKind::Snapshot, path, ": expected a safetensors file, but its header is not UTF-8. ",
                "The file is damaged or of another format; copy or write it again.");
  }
  SafetensorsHeader header = Parser(json, path).parse();
  std::stable_sort(header.tensors.begin(), header.tensors.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  uint64_t at = 0;
  for (const auto& tensor : header.tensors) {
    if (tensor.begin != at) {
      throw error(ErrorKind::Snapshot, path, ": tensor \"", tensor.name, "\" begins at byte ", tensor.begin, " of the data, expected ",
                  at, " (a ", tensor.begin > at ? "hole" : "overlap", "). The file is damaged; copy or write it again.");
    }
    at = tensor.end;
  }
  if (at != data_bytes) {
    throw error(ErrorKind::Snapshot, path, ": the header describes ", at, " bytes of data, the file has ", data_bytes,
                ". It was cut off or has been appended to; copy or write it again.");
  }
  return header;
}

std::string format_safetensors_header(const std::vector<TensorEntry>& tensors, const std::map<std::string, std::string>& metadata) {
  std::string out = "{";
  if (!metadata.empty()) {
    out += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      if (out.back() != '{') out += ',';
      append_json_string(out, key);
      out += ':';
      append_json_string(out, value);
    }
    out += '}';
  }
  for (const auto& tensor : tensors) {
    if (out.size() > 1) out += ',';
    append_json_string(out, tensor.name);
    out += ":{\"dtype\":\"";
    out += safetensors_dtype(tensor.dtype);
    out += "\",\"shape\":[";
    for (size_t i = 0; i < tensor.shape.size(); ++i) {
      if (i > 0) out += ',';
      out += std::to_string(tensor.shape[i]);
    }
    out += "],\"data_offsets\":[" + std::to_string(tensor.begin) + ',' + std::to_string(tensor.end) + "]}";
  }
  out += '}';
  while (out.size() % 8 != 0) out += ' ';
  return out;
}

}  // namespace trivium::snapshot
