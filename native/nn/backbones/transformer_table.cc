#include "nn/backbones/transformer_table.h"

#include <algorithm>

#include "core/error.h"

namespace trivium::nn {

std::vector<BackboneEntry> transformer_entries(const std::string& family, const std::string& paper, const std::string& license,
                                               const std::vector<TransformerRow>& rows) {
  std::vector<BackboneEntry> entries;
  for (const auto& row : rows) {
    const auto& inputs = row.inputs;
    const bool published = !row.tag.empty();
    entries.push_back({row.name, family, paper, /*channels_last=*/false,
                       {row.shape.image_size, inputs.mean, inputs.std, inputs.interpolation, inputs.crop_fraction},
                       published ? "timm/" + row.name + "." + row.tag : "",
                       published ? (row.license.empty() ? license : row.license) : ""});
  }
  return entries;
}

std::shared_ptr<Backbone> make_transformer(const std::vector<TransformerRow>& rows, const std::string& name, const Options& options) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const auto& candidate) { return candidate.name == name; });
  if (row == rows.end()) throw error(ErrorKind::Config, "expected a vision transformer but got \"", name, "\"");
  return std::make_shared<VisionTransformer>(row->shape, options);
}

}  // namespace trivium::nn
