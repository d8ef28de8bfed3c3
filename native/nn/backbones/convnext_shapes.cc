// timm's registered networks of the family: arguments, preprocessing and published weights.
#include "nn/backbones/common.h"
#include "nn/backbones/convnext.h"

namespace trivium::nn {
namespace {

constexpr auto kPaper = "Liu et al. 2022, arXiv 2201.03545";
constexpr auto kPaperV2 = "Woo et al. 2023, arXiv 2301.00808";
const std::vector<double> kHalf{0.5, 0.5, 0.5};
const std::vector<double> kClipMean{0.48145466, 0.4578275, 0.40821073}, kClipStd{0.26862954, 0.26130258, 0.27577711};

using Sizes = std::array<int64_t, 4>;
constexpr Sizes kFew{2, 2, 6, 2}, kNano{2, 2, 8, 2}, kTiny{3, 3, 9, 3}, kMany{3, 3, 27, 3};

constexpr Sizes doubling(int64_t first) { return {first, 2 * first, 4 * first, 8 * first}; }

/// V1: LayerScale.
ConvNextShape first_version(const Sizes& depths, int64_t width, bool conv_mlp) {
  return {.depths = depths, .dims = doubling(width), .conv_mlp = conv_mlp};
}

ConvNextShape with_stem(ConvNextShape shape, ConvNextStem stem) {
  shape.stem = stem;
  return shape;
}

ConvNextShape with_norm(ConvNextShape shape, NormKind norm) {
  shape.norm = norm;
  return shape;
}

ConvNextShape second_version(const Sizes& depths, int64_t width, bool conv_mlp) {
  return {.depths = depths, .dims = doubling(width), .grn = true, .conv_mlp = conv_mlp};
}

ConvNextShape of_timms_tests(const Sizes& depths, const Sizes& dims, Activation activation, const Sizes& kernels = {7, 7, 7, 7}) {
  return {.depths = depths, .dims = dims, .eps = 1e-5, .activation = activation, .kernels = kernels};
}

struct Published {
  std::string name, tag;
  double crop_fraction = 0.875;
  int64_t image_size = 224;
  std::vector<double> mean = kImageNetMean, std = kImageNetStd;
};

ConvNextEntry entry(const Published& p, const ConvNextShape& shape) {
  const bool published = !p.tag.empty();
  const auto* license = shape.grn ? "CC-BY-NC-4.0" : "Apache-2.0";
  return {{p.name, "convnext", shape.grn ? kPaperV2 : kPaper, true, {p.image_size, p.mean, p.std, "bicubic", p.crop_fraction},
           published ? "timm/" + p.name + "." + p.tag : "", published ? license : ""},
          shape};
}

std::vector<ConvNextEntry> first_version_entries() {
  const auto atto = first_version(kFew, 40, true), femto = first_version(kFew, 48, true), pico = first_version(kFew, 64, true),
             nano = first_version(kNano, 80, true), tiny = first_version(kTiny, 96, false),
             zepto = with_norm(first_version({2, 2, 4, 2}, 32, true), NormKind::Simple);
  auto large_mlp = first_version(kMany, 192, false), xxlarge = first_version({3, 4, 30, 3}, 384, false),
       hnf = first_version(kTiny, 96, true);
  large_mlp.head_hidden = 1536;
  xxlarge.eps = 1e-5;
  hnf.head_norm_first = true;
  return {
      entry({"convnext_zepto_rms", "ra4_e3600_r224_in1k", 0.875, 224, kHalf, kHalf}, zepto),
      entry({"convnext_zepto_rms_ols", "ra4_e3600_r224_in1k", 0.9, 224, kHalf, kHalf}, with_stem(zepto, ConvNextStem::OverlapAct)),
      entry({"convnext_atto", "d2_in1k"}, atto),
      entry({"convnext_atto_ols", "a2_in1k"}, with_stem(atto, ConvNextStem::OverlapTiered)),
      entry({"convnext_atto_rms", ""}, with_norm(atto, NormKind::Rms)),
      entry({"convnext_femto", "d1_in1k"}, femto),
      entry({"convnext_femto_ols", "d1_in1k"}, with_stem(femto, ConvNextStem::OverlapTiered)),
      entry({"convnext_pico", "d1_in1k"}, pico),
      entry({"convnext_pico_ols", "d1_in1k", 0.95}, with_stem(pico, ConvNextStem::OverlapTiered)),
      entry({"convnext_nano", "in12k_ft_in1k", 0.95}, nano),
      entry({"convnext_nano_ols", "d1h_in1k", 0.95}, with_stem(nano, ConvNextStem::Overlap)),
      entry({"convnext_tiny", "in12k_ft_in1k", 0.95}, tiny),
      entry({"convnext_tiny_hnf", "a2h_in1k", 0.95}, hnf),
      entry({"convnext_small", "in12k_ft_in1k", 0.95}, first_version(kMany, 96, false)),
      entry({"convnext_base", "fb_in22k_ft_in1k"}, first_version(kMany, 128, false)),
      entry({"convnext_large", "fb_in22k_ft_in1k"}, first_version(kMany, 192, false)),
      entry({"convnext_large_mlp", "clip_laion2b_soup_ft_in12k_in1k_320", 1.0, 320, kClipMean, kClipStd}, large_mlp),
      entry({"convnext_xlarge", "fb_in22k_ft_in1k"}, first_version(kMany, 256, false)),
      entry({"convnext_xxlarge", "clip_laion2b_soup_ft_in1k", 1.0, 256, kClipMean, kClipStd}, xxlarge),
      entry({"convnext_test", ""}, first_version({1, 1, 1, 1}, 8, false)),
      entry({"test_convnext", "r160_in1k", 0.95, 160, kHalf, kHalf}, of_timms_tests({1, 2, 4, 2}, {24, 32, 48, 64}, Activation::GeluTanh)),
      entry({"test_convnext2", "r160_in1k", 0.95, 160, kHalf, kHalf},
            of_timms_tests({1, 1, 1, 1}, {32, 64, 96, 128}, Activation::GeluTanh)),
      entry({"test_convnext3", "r160_in1k", 0.95, 160, kHalf, kHalf},
            of_timms_tests({1, 1, 1, 1}, {32, 64, 96, 128}, Activation::Silu, {7, 5, 5, 3})),
  };
}

std::vector<ConvNextEntry> second_version_entries() {
  return {
      entry({"convnextv2_atto", "fcmae_ft_in1k"}, second_version(kFew, 40, true)),
      entry({"convnextv2_femto", "fcmae_ft_in1k"}, second_version(kFew, 48, true)),
      entry({"convnextv2_pico", "fcmae_ft_in1k"}, second_version(kFew, 64, true)),
      entry({"convnextv2_nano", "fcmae_ft_in22k_in1k"}, second_version(kNano, 80, true)),
      entry({"convnextv2_tiny", "fcmae_ft_in22k_in1k"}, second_version(kTiny, 96, false)),
      entry({"convnextv2_small", ""}, second_version(kMany, 96, false)),
      entry({"convnextv2_base", "fcmae_ft_in22k_in1k"}, second_version(kMany, 128, false)),
      entry({"convnextv2_large", "fcmae_ft_in22k_in1k"}, second_version(kMany, 192, false)),
      entry({"convnextv2_huge", "fcmae_ft_in22k_in1k_384", 1.0, 384}, second_version(kMany, 352, false)),
      entry({"convnextv2_test", ""}, second_version({1, 1, 1, 1}, 8, true)),
  };
}

}  // namespace

const std::vector<ConvNextEntry>& convnext_entries() {
  static const std::vector<ConvNextEntry> entries = [] {
    auto list = first_version_entries();
    for (auto& more : second_version_entries()) list.push_back(std::move(more));
    return list;
  }();
  return entries;
}

}  // namespace trivium::nn
