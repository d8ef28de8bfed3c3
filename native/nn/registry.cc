#include "nn/registry.h"

#include <algorithm>

#include "core/error.h"
#include "core/suggest.h"
#include "nn/backbones/cifar_cnn.h"
#include "nn/backbones/cifar_resnet.h"
#include "nn/backbones/convnext.h"
#include "nn/backbones/dinov2.h"
#include "nn/backbones/dinov3.h"
#include "nn/backbones/eva.h"
#include "nn/backbones/hybrid.h"
#include "nn/backbones/resnet.h"
#include "nn/backbones/small_cnn.h"
#include "nn/backbones/swin_v2.h"
#include "nn/backbones/vit.h"
#include "nn/blocks/init.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

using HeadFactory = std::shared_ptr<Module> (*)(const Options&);

/// One line a family.
const std::vector<const BackboneFamily*>& families() {
  static const std::vector<const BackboneFamily*> list{
      &cifar_cnn_family(), &cifar_resnet_family(), &convnext_family(), &dinov2_family(),  &dinov3_family(),
      &eva_family(),       &hybrid_family(),       &resnet_family(),   &small_cnn_family(), &swin_v2_family(), &vit_family(),
  };
  return list;
}

const std::vector<std::pair<std::string, HeadFactory>>& heads() {
  static const std::vector<std::pair<std::string, HeadFactory>> table{
      {"projection", make_projection_head},
      {"cosine", make_cosine_head},
      {"linear", make_linear_head},
  };
  return table;
}

const std::string& without_alias(const std::string& name) {
  for (const auto* family : families()) {
    for (const auto& [alias, target] : family->aliases) {
      if (alias == name) return target;
    }
  }
  return name;
}

/// Why a network has no use for an option of other families, where "unknown option" would leave the user guessing.
void explain_refusal(const BackboneEntry& entry, const Options& options) {
  for (const auto* family : {"small_cnn", "cifar_cnn"}) {
    if (entry.family != family || !options.has("drop_path_rate")) continue;
    throw error(ErrorKind::Config, options.owner(), ": drop_path_rate leaves out residual branches, and ", entry.name, " has none. Remove it.");
  }
  for (const auto* family : {"vit", "dinov2", "dinov3", "eva", "hybrid"}) {
    if (entry.family == family) return;
  }
  const auto* reason = entry.family == "swin_v2" ? "attends within windows of a fixed grid, where no token may be missing"
                                                 : "is a convolutional network, which has no tokens";
  for (const auto* key : {"token_merging_ratio", "token_merging_inflection", "token_learner_tokens"}) {
    if (!options.has(key)) continue;
    throw error(ErrorKind::Config, options.owner(), ": ", key, " is for the families vit, dinov2, dinov3 and eva; ", entry.name, " ", reason,
                ". Remove it.");
  }
}

[[noreturn]] void fail_unknown(const std::string& what, const std::string& name, const std::vector<std::string>& known) {
  const auto near = near_names(name, known);
  throw error(ErrorKind::Config, "expected a known ", what, " but got \"", name, "\". ",
              near.empty() ? "Known: " + join(known) + "." : "Did you mean " + join(near, " or ") + "?");
}

}  // namespace

const std::vector<BackboneEntry>& backbones() {
  static const std::vector<BackboneEntry> sorted = [] {
    std::vector<BackboneEntry> list;
    for (const auto* family : families()) {
      list.insert(list.end(), family->entries.begin(), family->entries.end());
      for (const auto& [alias, target] : family->aliases) {
        auto entry = *std::find_if(family->entries.begin(), family->entries.end(), [&](const auto& own) { return own.name == target; });
        entry.alias_of = entry.name;
        entry.name = alias;
        list.push_back(std::move(entry));
      }
    }
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return list;
  }();
  return sorted;
}

const BackboneEntry& find_backbone(const std::string& asked) {
  const auto& name = without_alias(asked);
  for (const auto* family : families()) {
    for (const auto& entry : family->entries) {
      if (entry.name == name) return entry;
    }
  }
  std::vector<std::string> known;
  for (const auto& entry : backbones()) known.push_back(entry.name);
  fail_unknown("backbone", name, known);
}

std::shared_ptr<Backbone> make_backbone(const std::string& name, const Options& options) {
  const auto& entry = find_backbone(name);
  explain_refusal(entry, options);
  const auto family = std::find_if(families().begin(), families().end(), [&](const auto* candidate) {
    return &entry >= candidate->entries.data() && &entry < candidate->entries.data() + candidate->entries.size();
  });
  auto backbone = (*family)->make(entry.name, options);
  auto preprocessing = entry.preprocessing;
  preprocessing.image_size = options.integer("image_size", preprocessing.image_size);
  backbone->set_preprocessing(std::move(preprocessing));
  if (entry.channels_last) to_channels_last(*backbone);
  return backbone;
}

std::shared_ptr<Backbone> create_backbone(const std::string& name, const Options& options) {
  const InitSeed seed(options);
  auto backbone = make_backbone(name, options);
  options.expect_all_used();
  return backbone;
}

std::shared_ptr<Module> create_head(const std::string& kind, const Options& options) {
  const auto row = std::find_if(heads().begin(), heads().end(), [&](const auto& candidate) { return candidate.first == kind; });
  if (row == heads().end()) {
    std::vector<std::string> known;
    for (const auto& [name, make] : heads()) known.push_back(name);
    fail_unknown("head", kind, known);
  }
  const InitSeed seed(options);
  auto head = row->second(options);
  options.expect_all_used();
  return head;
}

}  // namespace trivium::nn
