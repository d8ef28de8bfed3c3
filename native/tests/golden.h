// Golden files (tests/golden/*.json) and the values they are computed from. The reader takes the JSON that Python's json.dump writes:
// it knows no escapes, and it stops the test at anything else.
#pragma once

#include <torch/types.h>

#include <cctype>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace trivium::testing {

struct Json {
  enum class Kind { Null, Boolean, Number, Text, List, Map } kind = Kind::Null;
  bool boolean = false;
  double number = 0;
  std::string text;
  std::vector<Json> list;
  std::vector<std::pair<std::string, Json>> map;

  const Json& operator[](const std::string& key) const {
    for (const auto& [name, value] : map) {
      if (name == key) return value;
    }
    throw std::runtime_error("golden file: no key " + key);
  }
  int64_t integer() const { return static_cast<int64_t>(number); }
  std::vector<int64_t> integers() const {
    std::vector<int64_t> values;
    for (const auto& item : list) values.push_back(item.integer());
    return values;
  }
  torch::Tensor tensor() const {
    std::vector<double> values;
    for (const auto& item : list) values.push_back(item.number);
    return torch::tensor(values, torch::kDouble);
  }
};

class JsonReader {
 public:
  explicit JsonReader(std::string text) : text_(std::move(text)) {}

  Json read() {
    Json value;
    const char first = peek();
    if (first == '{') {
      value.kind = Json::Kind::Map;
      items('}', [&] {
        const std::string key = string();
        expect(':');
        value.map.emplace_back(key, read());
      });
    } else if (first == '[') {
      value.kind = Json::Kind::List;
      items(']', [&] { value.list.push_back(read()); });
    } else if (first == '"') {
      value.kind = Json::Kind::Text;
      value.text = string();
    } else if (word("true")) {
      value.kind = Json::Kind::Boolean;
      value.boolean = true;
    } else if (word("false")) {
      value.kind = Json::Kind::Boolean;
    } else if (!word("null")) {
      value.kind = Json::Kind::Number;
      size_t length = 0;
      value.number = std::stod(text_.substr(position_, 40), &length);
      position_ += length;
    }
    return value;
  }

 private:
  char peek() {
    while (std::isspace(static_cast<unsigned char>(text_.at(position_)))) ++position_;
    return text_[position_];
  }
  void expect(char wanted) {
    if (peek() != wanted) throw std::runtime_error(std::string("golden file: expected ") + wanted);
    ++position_;
  }
  bool word(const std::string& wanted) {
    if (text_.compare(position_, wanted.size(), wanted) != 0) return false;
    position_ += wanted.size();
    return true;
  }
  std::string string() {
    expect('"');
    const size_t end = text_.find('"', position_);
    std::string value = text_.substr(position_, end - position_);
    position_ = end + 1;
    return value;
  }
  template <typename Item>
  void items(char close, Item item) {
    ++position_;
    if (peek() == close) {
      ++position_;
      return;
    }
    while (true) {
      item();
      if (peek() == close) break;
      expect(',');
    }
    ++position_;
  }

  std::string text_;
  size_t position_ = 0;
};

/// tests/golden/<name>; the folder comes from native/tests/CMakeLists.txt.
inline Json golden(const std::string& name) {
  std::ifstream file(std::string(TRIVIUM_GOLDEN) + "/" + name);
  if (!file) throw std::runtime_error("golden file is missing: " + name);
  return JsonReader(std::string(std::istreambuf_iterator<char>(file), {})).read();
}

inline uint32_t crc32(const std::string& text) {
  uint32_t crc = 0xFFFFFFFF;
  for (const char letter : text) {
    crc ^= static_cast<uint8_t>(letter);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xEDB88320 : 0);
  }
  return ~crc;
}

/// The twin of tests/golden/fill.py's `filled`.
inline torch::Tensor filled(const std::string& name, const std::vector<int64_t>& shape, torch::ScalarType type = torch::kFloat) {
  const auto ends_with = [&](const std::string& end) { return name.size() >= end.size() && name.ends_with(end); };
  if (ends_with("num_batches_tracked")) return torch::full(shape, 3, torch::kLong);
  auto result = torch::empty(shape, torch::kDouble);
  const int64_t count = result.numel();
  double scale = 0.2, offset = 0;
  if (ends_with("running_var")) {
    scale = 0.4, offset = 1;
  } else if (ends_with("running_mean")) {
    scale = 0.1;
  } else if (shape.size() > 1 && shape[0] > 1) {
    scale = std::sqrt(3.0 / static_cast<double>(count / shape[0]));
  } else if (shape.size() == 1 && ends_with("weight")) {
    scale = 0.3, offset = 1;
  }
  const uint32_t seed = crc32(name);
  auto* values = result.mutable_data_ptr<double>();
  for (int64_t i = 0; i < count; ++i) {
    uint32_t h = static_cast<uint32_t>(i) * 2654435761U + seed;
    h ^= h >> 16;
    h *= 0x85EBCA6B;
    h ^= h >> 13;
    h *= 0xC2B2AE35;
    h ^= h >> 16;
    values[i] = offset + scale * (static_cast<double>(h) / 2147483648.0 - 1);
  }
  return result.to(type);
}

}  // namespace trivium::testing
