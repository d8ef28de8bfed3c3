// The tables that the transformer families consist of.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "nn/backbones/vision_transformer.h"
#include "nn/family.h"

namespace trivium::nn {

/// How images become inputs, besides the size that the shape has.
struct Inputs {
  std::vector<double> mean, std;
  double crop_fraction;
  std::string interpolation = "bicubic";
};

struct TransformerRow {
  std::string name;
  TransformerShape shape;
  Inputs inputs;
  std::string tag;  // of the published weights: "timm/<name>.<tag>"; empty: there are none
  std::string license = {};  // of those weights; empty: the family's
};

/// What the registry is told of a family's rows.
std::vector<BackboneEntry> transformer_entries(const std::string& family, const std::string& paper, const std::string& license,
                                               const std::vector<TransformerRow>& rows);

/// The network of the row called `name`. Throws ConfigError when there is no such row.
std::shared_ptr<Backbone> make_transformer(const std::vector<TransformerRow>& rows, const std::string& name, const Options& options);

}  // namespace trivium::nn
