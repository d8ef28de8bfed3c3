#include "nn/registry.h"

#include <algorithm>

#include "core/error.h"
#include "core/suggest.h"
#include "nn/backbones/cifar_cnn.h"
#include "nn/backbones/resnet.h"
#include "nn/backbones/small_cnn.h"
#include "nn/backbones/vit.h"
#include "nn/blocks/init.h"
#include "nn/heads/heads.h"

namespace trivium::nn {
namespace {

using BackboneFactory = std::shared_ptr<Backbone> (*)(const std::string&, const Options&);
using HeadFactory = std::shared_ptr<Module> (*)(const Options&);

struct Row {
  BackboneEntry entry;
  BackboneFactory make;
};

constexpr auto kResNetPaper = "He et al. 2015, arXiv 1512.03385";
constexpr auto kVitPaper = "Dosovitskiy et al. 2020, arXiv 2010.11929";
constexpr auto kCifarPaper = "Jordan 2024, arXiv 2404.00498";
constexpr auto kSmallPaper = "LeCun et al. 1998, Proc. IEEE 86(11)";

const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      {{"cifar_cnn", "cifar_cnn", kCifarPaper, true}, make_cifar_cnn},
      {{"cifar_cnn_test", "cifar_cnn", kCifarPaper, true}, make_cifar_cnn},
      {{"resnet18", "resnet", kResNetPaper, true}, make_resnet},
      {{"resnet34", "resnet", kResNetPaper, true}, make_resnet},
      {{"resnet50", "resnet", kResNetPaper, true}, make_resnet},
      {{"resnet_test", "resnet", kResNetPaper, true}, make_resnet},
      {{"small_cnn", "small_cnn", kSmallPaper, true}, make_small_cnn},
      {{"vit_base_patch16_224", "vit", kVitPaper, false}, make_vit},
      {{"vit_small_patch16_224", "vit", kVitPaper, false}, make_vit},
      {{"vit_test", "vit", kVitPaper, false}, make_vit},
      {{"vit_tiny_patch16_224", "vit", kVitPaper, false}, make_vit},
  };
  return table;
}

const std::vector<std::pair<std::string, HeadFactory>>& heads() {
  static const std::vector<std::pair<std::string, HeadFactory>> table{
      {"projection", make_projection_head},
      {"cosine", make_cosine_head},
      {"linear", make_linear_head},
  };
  return table;
}

[[noreturn]] void fail_unknown(const std::string& what, const std::string& name, const std::vector<std::string>& known) {
  const auto near = near_names(name, known);
  throw error(ErrorKind::Config, "expected a known ", what, " but got \"", name, "\". ",
              near.empty() ? "Known: " + join(known) + "." : "Did you mean " + join(near, " or ") + "?");
}

}  // namespace

const std::vector<BackboneEntry>& backbones() {
  static const std::vector<BackboneEntry> entries = [] {
    std::vector<BackboneEntry> list;
    for (const auto& row : rows()) list.push_back(row.entry);
    return list;
  }();
  return entries;
}

std::shared_ptr<Backbone> create_backbone(const std::string& name, const Options& options) {
  const auto row = std::find_if(rows().begin(), rows().end(), [&](const Row& candidate) { return candidate.entry.name == name; });
  if (row == rows().end()) {
    std::vector<std::string> known;
    for (const auto& entry : backbones()) known.push_back(entry.name);
    fail_unknown("backbone", name, known);
  }
  const InitSeed seed(options);
  auto backbone = row->make(name, options);
  options.expect_all_used();
  if (row->entry.channels_last) to_channels_last(*backbone);
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
