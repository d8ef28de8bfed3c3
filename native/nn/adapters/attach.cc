#include "nn/adapters/attach.h"

#include <algorithm>
#include <array>
#include <memory>
#include <set>
#include <utility>

#include "core/error.h"
#include "core/suggest.h"
#include "nn/adapters/ia3.h"
#include "nn/adapters/lora.h"
#include "nn/added_block.h"
#include "nn/blocks/init.h"
#include "nn/blocks/linear.h"
#include "nn/freeze.h"
#include "nn/patterns.h"

namespace trivium::nn {
namespace {

using NamedLinear = std::pair<std::string, std::shared_ptr<Linear>>;

std::vector<NamedLinear> linears(torch::nn::Module& module) {
  std::vector<NamedLinear> found;
  for (const auto& entry : module.named_modules("", /*include_self=*/false)) {
    if (auto layer = std::dynamic_pointer_cast<Linear>(entry.value())) found.emplace_back(entry.key(), std::move(layer));
  }
  return found;
}

bool ends_in(const std::string& name, std::initializer_list<const char*> endings) {
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) { return names(ending, name); });
}

bool is_attention(const std::string& name) { return ends_in(name, {"attn.*"}); }
bool is_mlp(const std::string& name) { return ends_in(name, {"mlp.*"}); }

/// "attn.qkv" of "blocks.3.attn.qkv": what tells the layers of one block apart.
std::string kind_of(const std::string& name) {
  const auto parts = name_parts(name);
  std::string kind;
  for (size_t i = parts.size() > 2 ? parts.size() - 2 : 0; i < parts.size(); ++i) {
    if (parts[i].find_first_not_of("0123456789") == std::string::npos && kind.empty()) continue;
    kind += (kind.empty() ? "" : ".") + parts[i];
  }
  return kind.empty() ? name : kind;
}

std::vector<std::string> kinds_of(const std::vector<NamedLinear>& layers) {
  std::set<std::string> kinds;
  for (const auto& entry : layers) kinds.insert(kind_of(entry.first));
  return {kinds.begin(), kinds.end()};
}

std::vector<NamedLinear> lora_layers(const Options& options, const std::vector<std::string>& patterns,
                                     const std::vector<NamedLinear>& layers) {
  std::vector<NamedLinear> chosen;
  if (patterns.empty()) {
    const bool attention = std::any_of(layers.begin(), layers.end(), [](const auto& entry) { return is_attention(entry.first); });
    for (const auto& entry : layers) {
      if (attention ? is_attention(entry.first) : is_mlp(entry.first)) chosen.push_back(entry);
    }
    if (chosen.empty()) {
      throw error(ErrorKind::Config, options.owner(), ": lora_rank: neither attention nor MLP layers are in this network. Name some with ",
                  "lora_targets: ", join(kinds_of(layers)), ".");
    }
    return chosen;
  }
  for (const auto& pattern : patterns) {
    if (std::any_of(layers.begin(), layers.end(), [&](const auto& entry) { return names(pattern, entry.first); })) continue;
    std::vector<std::string> known = kinds_of(layers);
    const auto kinds = join(known);
    for (const auto& entry : layers) known.push_back(name_parts(entry.first).back());
    const auto near = near_names(pattern, known, 1);
    throw error(ErrorKind::Config, options.owner(), ": lora_targets: \"", pattern, "\" names no linear layer of this network. ",
                near.empty() ? "" : "Did you mean \"" + near.front() + "\"? ", "It has: ", kinds, ".");
  }
  for (const auto& entry : layers) {
    if (std::any_of(patterns.begin(), patterns.end(), [&](const auto& pattern) { return names(pattern, entry.first); })) {
      chosen.push_back(entry);
    }
  }
  return chosen;
}

std::shared_ptr<LinearAdapter> ia3_for(const NamedLinear& entry) {
  const auto& [name, layer] = entry;
  if (ends_in(name, {"attn.qkv"})) return std::make_shared<Ia3Output>(layer->weight, layer->weight.size(0) / 3);  // [q; k; v]
  if (ends_in(name, {"attn.k_proj", "attn.v_proj", "attn.k", "attn.v", "attn.kv"})) return std::make_shared<Ia3Output>(layer->weight, 0);
  if (ends_in(name, {"mlp.fc2"})) return std::make_shared<Ia3Input>(layer->weight);
  return nullptr;
}

/// Where a layer has no bias of its own, the q_bias, k_bias and v_bias beside it, which its family adds.
std::vector<BiasPart> outer_bias_of(torch::nn::Module& backbone, const NamedLinear& entry) {
  const auto& [name, layer] = entry;
  std::vector<BiasPart> parts;
  if (layer->bias.defined() || !names("qkv", name)) return parts;
  const auto above = name.substr(0, name.size() - std::string("qkv").size());  // with its dot
  const int64_t width = layer->weight.size(0) / 3;
  auto parameters = backbone.named_parameters();
  constexpr std::array<const char*, 3> kBiases{"q_bias", "k_bias", "v_bias"};
  for (size_t i = 0; i < kBiases.size(); ++i) {
    if (auto* found = parameters.find(above + kBiases[i])) parts.push_back({static_cast<int64_t>(i) * width, *found});
  }
  return parts;
}

LoraOptions read_lora(const Options& options, bool targets) {
  LoraOptions lora;
  lora.rank = options.integer("lora_rank", 0);
  lora.alpha = options.number("lora_alpha", static_cast<double>(lora.rank));
  lora.dropout = options.number("lora_dropout", 0);
  constexpr int64_t kLargestRank = 1 << 16;
  if (lora.rank < 0 || lora.rank > kLargestRank) {
    throw error(ErrorKind::Config, options.owner(), ": expected lora_rank between 0 and ", kLargestRank, " but got ", lora.rank);
  }
  if (lora.rank > 0 && !(lora.alpha > 0)) {
    throw error(ErrorKind::Config, options.owner(), ": expected lora_alpha above 0 but got ", lora.alpha);
  }
  if (!(lora.dropout >= 0 && lora.dropout < 1)) {
    throw error(ErrorKind::Config, options.owner(), ": expected lora_dropout in [0, 1) but got ", lora.dropout);
  }
  if (!options.has("lora_rank")) {
    const auto* alone = options.has("lora_alpha") ? "lora_alpha" : options.has("lora_dropout") ? "lora_dropout" : targets ? "lora_targets" : nullptr;
    if (alone != nullptr) throw error(ErrorKind::Config, options.owner(), ": ", alone, " needs lora_rank beside it");
  }
  return lora;
}

/// What adapters stand in for: the network's layers, without the classifier and without blocks that published weights do not know, which
/// start at random and are trained as they are.
class Base {
 public:
  explicit Base(const Backbone& backbone) : backbone_(backbone) {
    for (const auto& entry : backbone.named_modules("", /*include_self=*/false)) {
      if (dynamic_cast<const AddedBlock*>(entry.value().get()) != nullptr) added_.push_back(entry.key());
    }
  }
  bool has(const std::string& name) const {
    return in_stages(backbone_, name) && std::none_of(added_.begin(), added_.end(), [&](const auto& block) { return is_under(block, name); });
  }

 private:
  const Backbone& backbone_;
  std::vector<std::string> added_;
};

void freeze_base(Backbone& backbone, const Base& base) {
  const auto adapters = adapter_names(backbone);
  const std::set<std::string> kept(adapters.begin(), adapters.end());
  for (auto& entry : backbone.named_parameters()) {
    const auto& name = entry.key();
    if (!kept.contains(name) && base.has(name)) entry.value().set_requires_grad(false);
  }
  set_training(backbone, backbone.is_training());
}

}  // namespace

void attach_adapters(Backbone& backbone, const Options& options, const std::vector<std::string>& lora_targets) {
  const auto lora = read_lora(options, !lora_targets.empty());
  const bool ia3 = options.boolean("use_ia3", false);
  if (lora.rank == 0 && !ia3) {
    options.expect_all_used();
    return;  // a rank of 0 switches LoRA off, whatever else is said about it
  }
  if (has_adapters(backbone)) throw error(ErrorKind::Config, options.owner(), ": it has adapters already. Unload them before attaching others.");
  const Base base(backbone);
  std::vector<NamedLinear> layers;
  for (auto& entry : linears(backbone)) {
    if (base.has(entry.first)) layers.push_back(std::move(entry));
  }
  if (layers.empty()) {
    throw error(ErrorKind::Config, options.owner(), ": ", lora.rank > 0 ? "lora_rank: LoRA" : "use_ia3: IA3",
                " adapts linear layers and this network has none: its layers are convolutions. ",
                "Remove the key, or choose a transformer or a ConvNeXt.");
  }
  const InitSeed seed(options);
  std::vector<std::pair<NamedLinear, std::shared_ptr<LinearAdapter>>> planned;
  if (lora.rank > 0) {
    for (const auto& entry : lora_layers(options, lora_targets, layers)) planned.emplace_back(entry, std::make_shared<Lora>(entry.second->weight, lora));
  }
  if (ia3) {
    const auto before = planned.size();
    for (const auto& entry : layers) {
      if (auto adapter = ia3_for(entry)) planned.emplace_back(entry, std::move(adapter));  // around LoRA: it scales the sum
    }
    if (planned.size() == before) {
      throw error(ErrorKind::Config, options.owner(), ": use_ia3: IA3 scales keys, values and the input of an MLP's second layer, and none of this ",
                  "network's linear layers is one of them: ", join(kinds_of(layers)), ".");
    }
  }
  options.expect_all_used();
  for (auto& [entry, adapter] : planned) {
    entry.second->set_outer_bias(outer_bias_of(backbone, entry));
    entry.second->attach(std::move(adapter));
  }
  freeze_base(backbone, base);
}

bool has_adapters(torch::nn::Module& module) {
  const auto layers = linears(module);
  return std::any_of(layers.begin(), layers.end(), [](const auto& entry) { return !entry.second->adapters().empty(); });
}

std::vector<std::string> adapter_names(torch::nn::Module& module) {
  std::vector<std::string> list;
  for (const auto& [name, layer] : linears(module)) {
    if (layer->merged()) continue;
    for (const auto& adapter : layer->adapters()) {
      for (const auto& entry : adapter->weights()) list.push_back(name + "." + entry.first);
    }
  }
  return list;
}

int64_t merge_adapters(torch::nn::Module& module) {
  int64_t count = 0;
  for (const auto& entry : linears(module)) {
    if (entry.second->adapters().empty() || entry.second->merged()) continue;
    entry.second->merge_adapters();
    ++count;
  }
  return count;
}

void unmerge_adapters(torch::nn::Module& module) {
  const auto layers = linears(module);
  for (const auto& [name, layer] : layers) {
    if (layer->merged() && !layer->can_unmerge()) {
      throw error(ErrorKind::Snapshot, name, ": its merged weights were overwritten, and a scale of its IA3 adapter is zero, which cannot be ",
                  "divided out. Unload the adapters instead.");
    }
  }
  for (const auto& entry : layers) entry.second->unmerge_adapters();
}

void unload_adapters(Backbone& backbone) {
  for (const auto& entry : linears(backbone)) {
    if (!entry.second->adapters().empty()) entry.second->unload_adapters();
  }
  for (auto& parameter : backbone.parameters()) parameter.set_requires_grad(true);
  set_training(backbone, backbone.is_training());
}

}  // namespace trivium::nn
