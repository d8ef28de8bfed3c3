// Options that are checked as they are read; random numbers that are functions of their key.
#include <array>
#include <set>

#include "check.h"
#include "core/options.h"
#include "core/rng.h"
#include "core/suggest.h"

using namespace trivium;

// Known answers of the paper's own package, Random123 1.14, examples/kat_vectors: "philox4x32 10".
static void philox_known_answers() {
  using Block = std::array<uint32_t, 4>;
  CHECK_TRUE((philox4x32({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  constexpr uint32_t f = 0xffffffff;
  CHECK_TRUE((philox4x32({f, f, f, f}, {f, f}) == Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  CHECK_TRUE((philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
              Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

static void rng_depends_on_every_field() {
  const RngKey base{1, 2, 3, 4, 5};
  std::set<uint32_t> firsts{Rng(base).next()};
  for (int field = 0; field < 7; ++field) {
    RngKey key = base;
    if (field == 0) key.seed ^= 1;
    if (field == 1) key.seed ^= 1ULL << 40;
    if (field == 2) key.epoch ^= 1;
    if (field == 3) key.view ^= 1;
    if (field == 4) key.sample ^= 1;
    if (field == 5) key.sample ^= 1ULL << 40;
    if (field == 6) key.operation ^= 1;
    firsts.insert(Rng(key).next());
  }
  CHECK_TRUE(firsts.size() == 8);
  CHECK_TRUE(Rng(base).next() == Rng(base).next());
}

static void rng_distributions() {
  Rng rng(RngKey{});
  double sum = 0;
  std::array<int, 7> counts{};
  int chances = 0;
  constexpr int kDraws = 70000;
  for (int i = 0; i < kDraws; ++i) {
    const double u = rng.uniform();
    CHECK_TRUE(u >= 0 && u < 1);
    sum += u;
    ++counts.at(static_cast<size_t>(rng.below(7)));
    chances += rng.chance(0.3) ? 1 : 0;
  }
  CHECK_TRUE(std::abs(sum / kDraws - 0.5) < 0.005);
  for (const int count : counts) CHECK_TRUE(std::abs(count - 10000) < 400);  // 4 standard deviations
  CHECK_TRUE(std::abs(chances - 21000) < 500);
  CHECK_TRUE(!rng.chance(0.0) && rng.chance(1.0));
  CHECK_TRUE(rng.below(1) == 0);
  CHECK_TRUE(rng.below(INT64_MAX) >= 0);
  const double shifted = rng.uniform(-3, -2);
  CHECK_TRUE(shifted >= -3 && shifted < -2);
  CHECK_TRUE(rng.uniform(5, 5) == 5);
}

static void options_are_checked() {
  const Options options("thing", {{"flag", true},
                                  {"count", 3.0},
                                  {"rate", 0.5},
                                  {"word", std::string("x")},
                                  {"list", std::vector<double>{1, 2}}});
  CHECK_TRUE(options.boolean("flag", false));
  CHECK_TRUE(options.integer("count") == 3 && options.integer("other", 9) == 9);
  CHECK_TRUE(options.number("rate") == 0.5 && options.number("other", 1.5) == 1.5);
  CHECK_TRUE(options.string("word", "") == "x" && options.string("other", "y") == "y");
  CHECK_TRUE((options.numbers("list") == std::vector<double>{1, 2}) && options.numbers("other", {}).empty());
  options.expect_all_used();
  CHECK_ERROR(Config, "thing: expected a whole number for rate but got 0.5", options.integer("rate"));
  CHECK_ERROR(Config, "expected true or false for count but got 3", options.boolean("count", false));
  CHECK_ERROR(Config, "expected a number for word but got \"x\"", options.number("word"));
  CHECK_ERROR(Config, "expected a list of numbers for flag but got true", options.numbers("flag"));
  CHECK_ERROR(Config, "expected a text for list but got [1, 2]", options.string("list", ""));
  CHECK_ERROR(Config, "expected a number for absent but it is not set", options.number("absent"));
}

static void unread_options_are_named() {
  const Options options("resnet18", {{"cifar_stemm", true}, {"num_classes", 10.0}});
  options.integer("num_classes");
  options.boolean("cifar_stem", false);
  CHECK_ERROR(Config, "resnet18: unknown option cifar_stemm. Did you mean \"cifar_stem\"? It takes: cifar_stem, num_classes.",
              options.expect_all_used());
  CHECK_ERROR(Config, "It takes no options.", Options("nothing", {{"a", 1.0}}).expect_all_used());
}

static void near_names_are_found() {
  const std::vector<std::string> known{"resnet18", "resnet34", "vit_tiny_patch16_224", "small_cnn"};
  CHECK_TRUE(near_names("resnt18", known, 1) == std::vector<std::string>{"resnet18"});
  CHECK_TRUE(near_names("vit_tiny", known) == std::vector<std::string>{"vit_tiny_patch16_224"});
  CHECK_TRUE(near_names("qqqqqqqqqqqq", known).empty());
}

int main() {
  philox_known_answers();
  rng_depends_on_every_field();
  rng_distributions();
  options_are_checked();
  unread_options_are_named();
  near_names_are_found();
  return trivium::testing::finish("core");
}
