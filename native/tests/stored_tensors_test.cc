// Tensors at known places of a file: views, shared memory, and numbers that lie.
#include "snapshot/stored_tensors.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "tests/check.h"

using trivium::snapshot::load_stored_tensors;
using trivium::snapshot::StoredBytes;
using trivium::snapshot::StoredTensor;

namespace {

const std::string path = (std::filesystem::temp_directory_path() / ("trivium-stored-" + std::to_string(::getpid()))).string();

/// 4 bytes of something else, then the floats 0 … 11.
void write_file() {
  std::ofstream out(path, std::ios::binary);
  out << "head";
  for (int i = 0; i < 12; ++i) {
    const float value = static_cast<float>(i);
    out.write(reinterpret_cast<const char*>(&value), sizeof value);
  }
}

torch::Tensor load_one(const StoredTensor& tensor, const StoredBytes& bytes = {4, 48}) {
  return load_stored_tensors(path, {bytes}, {tensor}).at(0).second;
}

void reads_views() {
  const auto loaded = load_stored_tensors(path, {{4, 48}, {8, 8}},
                                          {{"rows", at::kFloat, 0, 0, {3, 4}, {4, 1}},
                                           {"columns", at::kFloat, 0, 1, {4, 2}, {1, 4}},
                                           {"pair", at::kFloat, 1, 0, {2}, {1}},
                                           {"scalar", at::kFloat, 0, 11, {}, {}},
                                           {"empty", at::kFloat, 0, 12, {0, 5}, {5, 1}},
                                           {"same", at::kFloat, 1, 1, {3}, {0}}});
  const auto all = torch::arange(12, torch::kFloat);
  CHECK_NEAR(loaded.at(0).second, all.view({3, 4}), 0);
  CHECK_NEAR(loaded.at(1).second, torch::tensor({1.F, 5.F, 2.F, 6.F, 3.F, 7.F, 4.F, 8.F}).view({4, 2}), 0);
  CHECK_NEAR(loaded.at(2).second, torch::tensor({1.F, 2.F}), 0);
  CHECK_TRUE(loaded.at(3).second.dim() == 0 && loaded.at(3).second.item<float>() == 11.F);
  CHECK_TRUE((loaded.at(4).second.sizes() == at::IntArrayRef{0, 5}));
  CHECK_NEAR(loaded.at(5).second, torch::tensor({2.F, 2.F, 2.F}), 0);
  CHECK_TRUE(loaded.at(0).second.storage().data() == loaded.at(1).second.storage().data());
}

void refuses_what_does_not_fit() {
  constexpr int64_t big = (int64_t{1} << 53) - 1;
  CHECK_ERROR(Snapshot, "beyond its end", load_one({"x", at::kFloat, 0, 0, {1}, {1}}, {4, 49}));
  CHECK_ERROR(Snapshot, "beyond its end", load_one({"x", at::kFloat, 0, 0, {1}, {1}}, {UINT64_MAX, 48}));
  CHECK_ERROR(Snapshot, "\"x\" lies outside its storage", load_one({"x", at::kFloat, 0, 0, {13}, {1}}));
  CHECK_ERROR(Snapshot, "\"x\" lies outside its storage", load_one({"x", at::kFloat, 0, 12, {}, {}}));
  CHECK_ERROR(Snapshot, "\"x\" lies outside its storage", load_one({"x", at::kDouble, 0, 0, {7}, {1}}));
  CHECK_ERROR(Snapshot, "\"x\" lies outside its storage", load_one({"x", at::kFloat, 0, 0, {2, 2}, {big, 1}}));
  CHECK_ERROR(Snapshot, "\"x\" lies outside its storage", load_one({"x", at::kFloat, 0, 0, {3, 3}, {big / 2, big / 2}}));
  CHECK_ERROR(Snapshot, "shape that is too large", load_one({"x", at::kFloat, 0, 0, {big, big}, {0, 0}}));
  CHECK_ERROR(Snapshot, "larger than the file", load_one({"x", at::kFloat, 0, 0, {1 << 20}, {0}}));
  CHECK_ERROR(Snapshot, "negative", load_one({"x", at::kFloat, 0, 0, {-1}, {1}}));
  CHECK_ERROR(Snapshot, "negative", load_one({"x", at::kFloat, 0, 4, {2}, {-1}}));
  CHECK_ERROR(Snapshot, "begins outside", load_one({"x", at::kFloat, 0, -1, {1}, {1}}));
  CHECK_ERROR(Snapshot, "strides", load_one({"x", at::kFloat, 0, 0, {1, 1}, {1}}));
  CHECK_ERROR(Snapshot, "has no storage", load_one({"x", at::kFloat, 1, 0, {1}, {1}}));
  CHECK_ERROR(Snapshot, "other than 0 and 1", load_one({"x", at::kBool, 0, 0, {4}, {1}}));
  CHECK_ERROR(Snapshot, "cannot be opened", load_stored_tensors(path + ".absent", {}, {}));
  CHECK_ERROR(Snapshot, "not a regular file", load_stored_tensors("/dev/null", {}, {}));
}

}  // namespace

int main() {
  write_file();
  reads_views();
  refuses_what_does_not_fit();
  std::remove(path.c_str());
  return trivium::testing::finish("stored tensors");
}
