#include "nn/cost.h"

#include <ATen/core/grad_mode.h>
#include <ATen/core/stack.h>
#include <ATen/native/ConvUtils.h>
#include <ATen/ops/zeros.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include <array>
#include <string_view>

#include "nn/registry.h"

namespace trivium::nn {
namespace {

// LibTorch's dispatcher hands every operator to this key first while a thread has switched it on. It is meant for trials within one
// process, which this is: nothing else here uses it, and it is off outside a Rehearsal.
constexpr auto kRehearsal = c10::DispatchKey::TESTING_ONLY_GenericMode;

struct Progress {
  bool building = true;
  int64_t multiply_adds = 0;
};
thread_local Progress* progress = nullptr;

class Rehearsal {
 public:
  Rehearsal() { progress = &progress_; }
  ~Rehearsal() { progress = nullptr; }
  Rehearsal(const Rehearsal&) = delete;
  Rehearsal& operator=(const Rehearsal&) = delete;

  void start_forward() { progress_.building = false; }
  int64_t multiply_adds() const { return progress_.multiply_adds; }

 private:
  Progress progress_;
  c10::impl::IncludeDispatchKeyGuard included_{kRehearsal};
};

// Memory of this many values is mapped when it is first touched.
constexpr int64_t kLarge = 1 << 16;

bool is_fill(std::string_view name) {
  constexpr std::array<std::string_view, 9> fills{"aten::normal_", "aten::uniform_", "aten::erfinv_", "aten::mul_", "aten::add_",
                                                  "aten::clamp_",  "aten::fill_",    "aten::zero_",   "aten::div_"};
  for (const auto fill : fills) {
    if (name == fill) return true;
  }
  return false;
}

/// Counts `multiply_adds` and stands zeros in for the result.
void stand_in(torch::jit::Stack& stack, size_t arguments, int64_t multiply_adds, at::IntArrayRef shape, const torch::Tensor& like,
              at::MemoryFormat format = at::MemoryFormat::Contiguous) {
  progress->multiply_adds += multiply_adds;
  auto result = at::zeros(shape, like.options().requires_grad(false)).contiguous(format);
  torch::jit::drop(stack, arguments);
  torch::jit::push(stack, std::move(result));
}

/// [..., n, k] · [..., k, m] → [..., n, m]
void product(torch::jit::Stack& stack, size_t arguments, const torch::Tensor& left, const torch::Tensor& right) {
  auto shape = left.sizes().vec();
  shape.back() = right.size(-1);
  stand_in(stack, arguments, left.numel() * right.size(-1), shape, left);
}

void convolution(torch::jit::Stack& stack, size_t arguments) {
  const auto at = [&](size_t index) -> const c10::IValue& { return torch::jit::peek(stack, index, arguments); };
  const auto &input = at(0).toTensor(), &weight = at(1).toTensor();
  // One number stands for all axes.
  const auto for_axes = [&](size_t index) {
    auto list = at(index).toIntVector();
    if (list.size() == 1) list.resize(static_cast<size_t>(input.dim() - 2), list[0]);
    return list;
  };
  const auto shape = at::native::conv_output_size(input.sizes(), weight.sizes(), for_axes(4), for_axes(3), for_axes(5));
  int64_t values = 1;
  for (const int64_t size : shape) values *= size;
  // Each value is a sum over one filter [in / groups, kh, kw].
  stand_in(stack, arguments, values * (weight.numel() / weight.size(0)), shape, input, input.suggest_memory_format());
}

/// q [..., L, d], k [..., T, d], v [..., T, e] → [..., L, e]: scores, then their mixture of values.
void attention(torch::jit::Stack& stack, size_t arguments) {
  const auto at = [&](size_t index) -> const torch::Tensor& { return torch::jit::peek(stack, index, arguments).toTensor(); };
  const auto &query = at(0), &key = at(1), &value = at(2);
  auto shape = query.sizes().vec();
  shape.back() = value.size(-1);
  stand_in(stack, arguments, query.numel() / query.size(-1) * key.size(-2) * (query.size(-1) + value.size(-1)), shape, query);
}

/// Only operators that do arithmetic themselves are counted: linear, conv2d, matmul and einsum end in these.
void rehearse(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  const std::string_view name = op.schema().name();
  const size_t arguments = op.schema().arguments().size();
  const auto tensor = [&](size_t index) -> torch::Tensor { return torch::jit::peek(*stack, index, arguments).toTensor(); };
  if (progress->building) {
    if (is_fill(name) && tensor(0).is_floating_point() && tensor(0).numel() >= kLarge) {
      auto self = tensor(0);
      torch::jit::drop(*stack, arguments);
      return torch::jit::push(*stack, std::move(self));
    }
  } else if (name == "aten::convolution" && !torch::jit::peek(*stack, 6, arguments).toBool()) {
    return convolution(*stack, arguments);
  } else if (name == "aten::mm" || name == "aten::bmm") {
    return product(*stack, arguments, tensor(0), tensor(1));
  } else if (name == "aten::addmm" || name == "aten::baddbmm") {
    return product(*stack, arguments, tensor(1), tensor(2));
  } else if (name == "aten::scaled_dot_product_attention") {
    return attention(*stack, arguments);
  }
  op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, kRehearsal), stack);
}

TORCH_LIBRARY_IMPL(_, TESTING_ONLY_GenericMode, library) {
  library.fallback(torch::CppFunction::makeFromBoxedFunction<&rehearse>());
}

}  // namespace

Cost backbone_cost(const std::string& name) {
  const at::AutoGradMode no_grad(false);
  Rehearsal rehearsal;
  const auto backbone = create_backbone(name, Options(name, {}));
  int64_t parameters = 0;
  for (const auto& parameter : backbone->parameters()) parameters += parameter.numel();
  backbone->eval();
  rehearsal.start_forward();
  const int64_t side = backbone->preprocessing().image_size;
  backbone->forward(at::zeros({1, 3, side, side}));
  return {parameters, rehearsal.multiply_adds()};
}

}  // namespace trivium::nn
