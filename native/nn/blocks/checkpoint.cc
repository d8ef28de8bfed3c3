#include "nn/blocks/checkpoint.h"

#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <ATen/core/Generator.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "core/error.h"
#include "nn/blocks/hidden_mix.h"

namespace trivium::nn {
namespace {

using Body = std::function<torch::Tensor(const torch::Tensor&)>;

/// Which autocast is on, for each kind of device.
class Autocast {
 public:
  static Autocast now() {
    Autocast state;
    for (size_t i = 0; i < kDevices.size(); ++i) {
      state.enabled_[i] = at::autocast::is_autocast_enabled(kDevices[i]);
      state.dtype_[i] = at::autocast::get_autocast_dtype(kDevices[i]);
    }
    return state;
  }

  void set() const {
    for (size_t i = 0; i < kDevices.size(); ++i) {
      at::autocast::set_autocast_enabled(kDevices[i], enabled_[i]);
      at::autocast::set_autocast_dtype(kDevices[i], dtype_[i]);
    }
  }

 private:
  static constexpr std::array<at::DeviceType, 2> kDevices{at::kCPU, at::kCUDA};
  std::array<bool, 2> enabled_{};
  std::array<at::ScalarType, 2> dtype_{};
};

/// While one lives, that autocast. No copies of weights are shared through autocast's cache meanwhile: those that the first pass makes know
/// no gradient, and other parts of the network would be handed them.
class AutocastScope {
 public:
  explicit AutocastScope(const Autocast& state) : before_(Autocast::now()), cached_(at::autocast::is_autocast_cache_enabled()) {
    state.set();
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~AutocastScope() {
    before_.set();
    at::autocast::set_autocast_cache_enabled(cached_);
  }
  AutocastScope(const AutocastScope&) = delete;
  AutocastScope& operator=(const AutocastScope&) = delete;

 private:
  Autocast before_;
  bool cached_;
};

/// The random streams that f may draw from on a device: the CPU's, and the device's own.
class RandomState {
 public:
  static RandomState of(at::Device device) {
    RandomState state;
    state.streams_.push_back(read(at::globalContext().defaultGenerator(at::kCPU)));
    if (!device.is_cpu()) state.streams_.push_back(read(at::globalContext().defaultGenerator(device)));
    return state;
  }

  void set() const {
    for (auto [generator, state] : streams_) {
      std::lock_guard<std::mutex> lock(generator.mutex());
      generator.set_state(state);
    }
  }

 private:
  using Stream = std::pair<at::Generator, torch::Tensor>;

  static Stream read(at::Generator generator) {
    std::lock_guard<std::mutex> lock(generator.mutex());
    return {generator, generator.get_state()};
  }

  std::vector<Stream> streams_;
};

class RandomScope {
 public:
  RandomScope(const RandomState& state, at::Device device) : before_(RandomState::of(device)) { state.set(); }
  ~RandomScope() { before_.set(); }
  RandomScope(const RandomScope&) = delete;
  RandomScope& operator=(const RandomScope&) = delete;

 private:
  RandomState before_;
};

/// Puts a module's buffers back when it goes. Written past the version counters: the values are those that the graph was made with.
class BufferKeeper {
 public:
  explicit BufferKeeper(const std::shared_ptr<torch::nn::Module>& owner) {
    if (!owner) return;
    for (auto& buffer : owner->buffers()) kept_.emplace_back(buffer, buffer.detach().clone());
  }
  ~BufferKeeper() {
    at::NoGradGuard no_grad;
    for (auto& [buffer, value] : kept_) buffer.variable_data().copy_(value);
  }
  BufferKeeper(const BufferKeeper&) = delete;
  BufferKeeper& operator=(const BufferKeeper&) = delete;

 private:
  std::vector<std::pair<torch::Tensor, torch::Tensor>> kept_;
};

/// What the backward pass needs besides x.
struct Recipe : torch::CustomClassHolder {
  Body body;
  std::shared_ptr<torch::nn::Module> owner;
  Autocast autocast = Autocast::now();
  RandomState random;
};

class Checkpoint : public torch::autograd::Function<Checkpoint> {
 public:
  // `anchor` is an empty tensor that takes a gradient when x takes none: without it the node would be left out, and the parameters that
  // f uses would silently receive nothing (a first block behind a frozen stem).
  static torch::Tensor forward(torch::autograd::AutogradContext* context, const torch::Tensor& x, const torch::Tensor& /*anchor*/,
                               const c10::intrusive_ptr<Recipe>& recipe) {
    context->save_for_backward({x});
    context->saved_data["recipe"] = c10::IValue::make_capsule(recipe);
    context->saved_data["gradient"] = x.requires_grad();
    const AutocastScope autocast(recipe->autocast);
    return recipe->body(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    if (at::GradMode::is_enabled()) {
      throw error(ErrorKind::Config, "gradient_checkpointing gives first gradients only; switch it off to differentiate them again");
    }
    const auto recipe = c10::static_intrusive_pointer_cast<Recipe>(context->saved_data["recipe"].toCapsule());
    const bool wanted = context->saved_data["gradient"].toBool();
    const auto x = context->get_saved_variables()[0].detach().requires_grad_(wanted);
    const BufferKeeper keep(recipe->owner);
    torch::Tensor result;
    {
      at::AutoGradMode record(true);
      const AutocastScope autocast(recipe->autocast);
      const RandomScope random(recipe->random, x.device());
      result = recipe->body(x);
    }
    if (result.requires_grad()) torch::autograd::backward({result}, {gradients[0]});
    return {wanted ? x.grad() : torch::Tensor(), torch::Tensor(), torch::Tensor()};
  }
};

bool takes_gradient(const std::shared_ptr<torch::nn::Module>& owner) {
  for (const auto& parameter : owner->parameters()) {
    if (parameter.requires_grad()) return true;
  }
  return false;
}

}  // namespace

torch::Tensor checkpointed(bool on, const Body& f, const torch::Tensor& input, const std::shared_ptr<torch::nn::Module>& owner) {
  const PartScope part;
  const torch::Tensor x = part.enter(input);
  if (!on || !at::GradMode::is_enabled()) return f(x);
  if (!x.requires_grad() && owner && !takes_gradient(owner)) return f(x);
  const auto recipe = c10::make_intrusive<Recipe>();
  recipe->body = f;
  recipe->owner = owner;
  recipe->random = RandomState::of(x.device());
  const auto anchor = at::empty({0}).requires_grad_(!x.requires_grad());
  return Checkpoint::apply(x, anchor, recipe);
}

torch::Tensor checkpointed(bool on, const std::shared_ptr<Module>& link, const torch::Tensor& x) {
  return checkpointed(on, [link](const torch::Tensor& input) { return link->forward(input); }, x, link);
}

}  // namespace trivium::nn
