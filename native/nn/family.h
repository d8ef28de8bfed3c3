// What a family of backbones tells the registry: the networks that can be named, and how one is made.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/options.h"
#include "nn/module.h"

namespace trivium::nn {

struct BackboneEntry {
  std::string name;     // timm's name, e.g. "resnet18"
  std::string family;   // "resnet"
  std::string paper;    // "He et al. 2015, arXiv 1512.03385"
  bool channels_last;   // conv nets run channels-last
  Preprocessing preprocessing;
  std::string weights;  // Hugging Face repository of the published weights, e.g. "timm/resnet18.a1_in1k"; empty: none are known
  std::string license;  // of those weights, an SPDX identifier; empty with `weights`
  std::string alias_of = {};  // the entry that this is another name of; empty: this name is the network's own
};

struct BackboneFamily {
  std::vector<BackboneEntry> entries;
  /// Called with one of the entries' names. image_size in the options takes the place of the entry's.
  std::shared_ptr<Backbone> (*make)(const std::string& name, const Options& options);
  std::vector<std::pair<std::string, std::string>> aliases = {};  // other name → name of an entry
};

}  // namespace trivium::nn
