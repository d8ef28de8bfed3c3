// The strict reader: files of the Python library, round trips, every rule of the format, and thousands of damaged files.
#include "snapshot/safetensors.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "tests/check.h"

using trivium::snapshot::load_safetensors;
using trivium::snapshot::NamedTensors;
using trivium::snapshot::save_safetensors;

namespace {

const std::string folder = (std::filesystem::temp_directory_path() / ("trivium-safetensors-" + std::to_string(::getpid()))).string();
const std::string path = folder + "/file.safetensors";

std::string read(const std::string& name) {
  std::ifstream in(name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write(const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

/// A file of this header (its length in front) and that many zero bytes.
void write_parts(const std::string& header, size_t data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  write(bytes + header + std::string(data, '\0'));
}

std::string from_hex(const std::string& hex) {
  std::string bytes, digits;
  for (const char c : hex) {
    if (c == '\n') continue;
    digits += c;
    if (digits.size() == 2) {
      bytes += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  return bytes;
}

torch::Tensor find(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [key, tensor] : tensors) {
    if (key == name) return tensor;
  }
  return {};
}

void reads_the_python_library() {
  write(from_hex(read(TRIVIUM_GOLDEN "/export_safetensors.hex")));
  const auto file = load_safetensors(path);
  CHECK_TRUE(file.tensors.size() == 10);
  CHECK_TRUE(file.metadata.at("note") == "line\n\xC3\xBC \"quoted\" \x01");
  const auto expect = [&](const std::string& name, const torch::Tensor& wanted) {
    const auto tensor = find(file.tensors, name);
    CHECK_TRUE(tensor.defined());
    if (!tensor.defined()) return;
    CHECK_TRUE(tensor.scalar_type() == wanted.scalar_type());
    CHECK_TRUE(tensor.sizes() == wanted.sizes());
    CHECK_TRUE(torch::equal(tensor.to(torch::kDouble), wanted.to(torch::kDouble)));
  };
  expect("weight", torch::arange(6, torch::kFloat).reshape({2, 3}) / 4);
  expect("z.\xC3\xA9\"\\", torch::tensor({1.5, -2.5, 3.0}, torch::kDouble));
  expect("half", torch::tensor({0.5, -1.0, 2.0}).to(torch::kHalf));
  expect("brain", torch::tensor({1.0, -3.0}).to(torch::kBFloat16));
  expect("eight", torch::tensor({0.5, 1.0, -2.0}).to(torch::kFloat8_e4m3fn));
  expect("flags", torch::tensor({true, false, true}));
  expect("empty", torch::zeros({0, 4}));
  expect("steps", torch::tensor(int64_t{7}));
  expect("bytes", torch::tensor({0, 255}, torch::kByte));
  expect("\xF0\x9F\x98\x80", torch::tensor({-5}, torch::kInt));
}

void keeps_values_order_and_layout() {
  const auto map = torch::randn({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast);
  const auto view = torch::randn({6, 4}).t();
  const NamedTensors tensors{{"z", map}, {"a", view}, {"scalar", torch::tensor(2.5)}, {"m", torch::randn({3}).set_requires_grad(true)}};
  save_safetensors(path, tensors, {{"k", "tab\tand \"quote\""}, {"empty", ""}});
  const auto file = load_safetensors(path);
  CHECK_TRUE(file.tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    CHECK_TRUE(file.tensors[i].first == tensors[i].first);
    CHECK_TRUE(torch::equal(file.tensors[i].second, tensors[i].second));
    CHECK_TRUE(file.tensors[i].second.is_contiguous());
  }
  CHECK_TRUE(file.metadata.at("k") == "tab\tand \"quote\"");
  CHECK_TRUE(file.metadata.at("empty").empty());
  const std::string first = read(path);
  save_safetensors(path, file.tensors, file.metadata);
  CHECK_TRUE(read(path) == first);

  save_safetensors(path, {}, {});
  CHECK_TRUE(load_safetensors(path).tensors.empty());
}

void names_what_is_wrong() {
  const std::string good = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  write_parts(good, 8);
  CHECK_TRUE(load_safetensors(path).tensors.size() == 1);
  const auto refuses = [&](const std::string& header, size_t data, const std::string& reason) {
    write_parts(header, data);
    CHECK_ERROR(Snapshot, reason, load_safetensors(path));
  };
  refuses(good, 7, "describes 8 bytes of data, the file has 7");
  refuses(good, 9, "describes 8 bytes of data, the file has 9");
  refuses(R"({"a":{"dtype":"F33","shape":[2],"data_offsets":[0,8]}})", 8, "\"F33\" is unknown");
  refuses(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8, "needs 12 bytes");
  refuses(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8, "non-negative integer");
  refuses(R"({"a":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}})", 8, "']' is missing");
  refuses(R"({"a":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}})", 8, "leading zero");
  refuses(R"({"a":{"dtype":"F32","shape":[9007199254740991,9007199254740991,9007199254740991],"data_offsets":[0,8]}})", 8, "too large");
  refuses(R"({"a":{"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,8]}})", 8, "2^53");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8, "ends before it begins");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", 12, "hole");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "overlap");
  refuses(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "twice");
  refuses(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"more":1}})", 8, "unknown or repeated key \"more\"");
  refuses(R"({"a":{"dtype":"F32","shape":[2]}})", 8, "lacks one of");
  refuses(R"({"__metadata__":{"a":1}})", 0, "'\"' is missing");
  refuses(R"({"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8, "surrogate");
  refuses("{\"\xC0\x80\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8, "not UTF-8");
  refuses(R"([1])", 0, "must start with '{'");
  refuses(good + "x", 8, "follows the header");
  write("short");
  CHECK_ERROR(Snapshot, "at least 8 bytes", load_safetensors(path));
  write(std::string("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F{}", 10));
  CHECK_ERROR(Snapshot, "its header claims", load_safetensors(path));
  write_parts(R"({"a":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}})", 0);
  std::ofstream(path, std::ios::binary | std::ios::app) << '\x02';
  CHECK_ERROR(Snapshot, "other than 0 and 1", load_safetensors(path));
  CHECK_ERROR(Snapshot, "No such file", load_safetensors(folder + "/none"));
  CHECK_ERROR(Snapshot, "not a regular file", load_safetensors(folder));
}

void refuses_to_write_nonsense() {
  const auto one = torch::ones({1});
  CHECK_ERROR(Snapshot, "__metadata__", save_safetensors(path, {{"__metadata__", one}}, {}));
  CHECK_ERROR(Snapshot, "unique", save_safetensors(path, {{"a", one}, {"a", one}}, {}));
  CHECK_ERROR(Snapshot, "undefined", save_safetensors(path, {{"a", torch::Tensor()}}, {}));
  CHECK_ERROR(Snapshot, "ComplexFloat", save_safetensors(path, {{"a", torch::zeros({1}, torch::kComplexFloat)}}, {}));
  CHECK_ERROR(Snapshot, "cannot be created", save_safetensors(folder + "/no/such/folder", {{"a", one}}, {}));
  // /dev/full accepts an open and refuses every byte, as a full disk does.
  if (std::filesystem::exists("/dev/full")) {
    const std::string link = folder + "/full";
    std::filesystem::create_symlink("/dev/full", link);
    CHECK_ERROR(Snapshot, "No space left", save_safetensors(link, {{"a", torch::ones({1000})}}, {}));
    CHECK_TRUE(!std::filesystem::is_symlink(link));
  }
}

void survives_damage() {
  std::mt19937 random(20240229);
  const auto below = [&](size_t bound) { return random() % bound; };
  save_safetensors(path,
                   {{"layer1.0.conv1.weight", torch::randn({2, 3, 3})}, {"flags", torch::ones({5}).to(torch::kBool)}, {"n", torch::tensor(3)}, {"e", torch::zeros({0, 2})}},
                   {{"epoch", "3"}});
  const std::string good = read(path);
  const std::string alphabet = "{}[]\",:0123456789\\u \xFF-.eE";
  int loaded = 0, refused = 0;
  for (int i = 0; i < 6000; ++i) {
    std::string bytes = good;
    const size_t header = 8 + static_cast<unsigned char>(good[0]) + 256u * static_cast<unsigned char>(good[1]);
    for (size_t edits = 1 + below(4); edits > 0; --edits) {
      const size_t at = below(below(4) == 0 ? bytes.size() : std::min(header, bytes.size()));
      switch (below(6)) {
        case 0: bytes[at] = static_cast<char>(below(256)); break;
        case 1: bytes[at] = static_cast<char>(bytes[at] ^ (1 << below(8))); break;
        case 2: bytes[at] = alphabet[below(alphabet.size())]; break;
        case 3: bytes.erase(at, 1 + below(9)); break;
        case 4: bytes.insert(at, bytes.substr(below(bytes.size()), below(20))); break;
        default: bytes.resize(at + 1); break;
      }
      if (bytes.empty()) bytes = "x";
    }
    write(bytes);
    try {
      load_safetensors(path);
      ++loaded;
    } catch (const trivium::Error& error) {
      if (error.kind != trivium::ErrorKind::Snapshot) CHECK_TRUE(false);
      ++refused;
    } catch (const std::exception& other) {
      trivium::testing::report(false, __FILE__, __LINE__, std::string("not an Error of ours: ") + other.what());
    }
  }
  // What loads differs in a name, a value or the metadata alone; most damage must be seen.
  CHECK_TRUE(refused > 4000);
  CHECK_TRUE(loaded + refused == 6000);
}

}  // namespace

int main() {
  std::filesystem::create_directories(folder);
  reads_the_python_library();
  keeps_values_order_and_layout();
  names_what_is_wrong();
  refuses_to_write_nonsense();
  survives_damage();
  std::filesystem::remove_all(folder);
  return trivium::testing::finish("safetensors");
}
