#include "kernels/supcon.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/maximum.h>
#include <ATen/ops/ne.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/DispatchKeySet.h>
#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <limits>
#include <optional>

#include "core/error.h"

namespace trivium::kernels {
namespace {

using torch::Tensor;

/// Below every product, and finite: of two −∞ the difference is NaN.
constexpr double kLowest = -1e30;

/// Tiles of z_i · z_j / T and of what is made of them, in memory that is used again.
class Tiles {
 public:
  Tiles(const Tensor& rows, double temperature, int64_t tile)
      : rows_(rows),
        scale_(1 / temperature),
        tile_(tile),
        products_(at::empty({tile * tile}, rows.options())),
        other_(at::empty_like(products_)) {}

  int64_t count() const { return (rows_.size(0) + tile_ - 1) / tile_; }
  int64_t begin(int64_t index) const { return index * tile_; }
  int64_t length(int64_t index) const { return std::min(tile_, rows_.size(0) - begin(index)); }
  Tensor part(const Tensor& values, int64_t index) const { return values.narrow(0, begin(index), length(index)); }

  /// [rows of tile `index`, columns] of the batch with `columns` [K, D], K ≤ tile.
  Tensor products(int64_t index, const Tensor& columns) {
    auto result = products_.narrow(0, 0, length(index) * columns.size(0)).view({length(index), columns.size(0)});
    at::addmm_out(result, result, part(rows_, index), columns.t(), /*beta=*/0, /*alpha=*/scale_);
    return result;
  }

  /// exp(products − shift), in the second memory.
  Tensor exponentials(const Tensor& products, const Tensor& shift) {
    auto result = other_.narrow(0, 0, products.numel()).view(products.sizes());
    at::sub_out(result, products, shift);
    return result.exp_();
  }

 private:
  Tensor rows_;
  double scale_;
  int64_t tile_;
  Tensor products_, other_;
};

/// Goes once over each pair of tiles of the batch, and over the batch against the memory: visit(row tile, column tile or −1, columns,
/// products). A row against itself has the product −∞.
template <typename Visit>
void over_pairs(Tiles& tiles, const Tensor& rows, const Tensor& memory, int64_t tile, Visit visit) {
  for (int64_t i = 0; i < tiles.count(); ++i) {
    for (int64_t j = i; j < tiles.count(); ++j) {
      auto products = tiles.products(i, tiles.part(rows, j));
      if (i == j) products.fill_diagonal_(-std::numeric_limits<double>::infinity());
      visit(i, j, tiles.part(rows, j), products);
    }
    for (int64_t from = 0; memory.defined() && from < memory.size(0); from += tile) {
      const auto columns = memory.narrow(0, from, std::min(tile, memory.size(0) - from));
      visit(i, -1, columns, tiles.products(i, columns));
    }
  }
}

/// log Σ exp of every row's products [N], in one pass: the largest so far, and the sum relative to it.
Tensor log_denominators(const Tensor& rows, const Tensor& memory, double temperature, int64_t tile) {
  Tiles tiles(rows, temperature, tile);
  const auto largest = at::full({rows.size(0)}, kLowest, rows.options()), sum = at::zeros({rows.size(0)}, rows.options());
  const auto add = [&](int64_t index, const Tensor& products, int64_t along) {
    auto top = tiles.part(largest, index), total = tiles.part(sum, index);
    const auto now = at::maximum(top, products.amax(along));
    total.mul_(at::sub(top, now).exp_()).add_(tiles.exponentials(products, now.unsqueeze(along)).sum(along));
    top.copy_(now);
  };
  over_pairs(tiles, rows, memory, tile, [&](int64_t i, int64_t j, const Tensor&, const Tensor& products) {
    add(i, products, 1);
    if (j > i) add(j, products, 0);
  });
  return largest.add(sum.log());
}

/// Rows by class: positives need no tile, for Σ_p z_i · z_p = z_i · (Σ of the class − z_i).
struct Classes {
  Tensor own;        // [N] class of each row, from 0
  Tensor sums;       // [N + M, D] of batch and memory; rows behind the last class are 0
  Tensor batch;      // [N + M, D] of the batch alone
  Tensor positives;  // [N] how many others have the class of a row, in the type of the embeddings
};

/// The distinct labels numbered from 0 in ascending order. Not by `unique`, whose result is as long as there are distinct ones: a host
/// would wait for the device to know it, and a captured pass (core/step_graph.h) could not.
Tensor numbered(const Tensor& labels) {
  const auto [sorted, order] = at::sort(labels);
  const int64_t count = labels.size(0);
  const auto changes = at::ne(sorted.narrow(0, 1, count - 1), sorted.narrow(0, 0, count - 1)).to(torch::kLong);
  const auto numbers = at::cumsum(at::cat({at::zeros({1}, changes.options()), changes}), 0);
  return at::empty_like(order).scatter_(0, order, numbers);
}

Classes classes_of(const Tensor& rows, const Tensor& labels, const ContrastMemory& memory) {
  const int64_t count = rows.size(0);
  const auto all = memory.labels.defined() ? at::cat({labels, memory.labels}) : labels;
  const auto inverse = numbered(all);
  const auto sizes = at::zeros_like(inverse).scatter_add_(0, inverse, at::ones_like(inverse));
  Classes result;
  result.own = inverse.narrow(0, 0, count);
  result.batch = at::zeros({sizes.size(0), rows.size(1)}, rows.options()).index_add_(0, result.own, rows);
  result.sums = result.batch;
  if (memory.embeddings.defined()) {
    result.sums = result.batch.clone().index_add_(0, inverse.narrow(0, count, memory.embeddings.size(0)), memory.embeddings);
  }
  result.positives = sizes.index_select(0, result.own).sub_(1).to(rows.scalar_type());
  return result;
}

/// What each row counts: 1 / number of rows with a positive, and 0 where there is none.
Tensor shares(const Tensor& positives) {
  const auto valid = positives.gt(0).to(positives.scalar_type());
  return valid.div(valid.sum().clamp_min_(1));
}

/// Σ z_i · z_p / T over the positives of each row, over their number: [N].
Tensor mean_positive(const Tensor& rows, const Classes& classes, double temperature) {
  const auto sums = classes.sums.index_select(0, classes.own).sub_(rows).mul_(rows).sum(1).div_(temperature);
  return sums.div_(classes.positives.clamp_min(1));
}

/// What the positives pull at each row, times `temperature` [N, D]: as anchor Σ_p z_p / |P|, and as the positive of the others of its
/// class, whose |P| is the same.
Tensor pulls(const Tensor& rows, const Classes& classes, const Tensor& weight) {
  const auto pull = weight.div(classes.positives.clamp_min(1)).unsqueeze(1);
  return classes.sums.index_select(0, classes.own).add_(classes.batch.index_select(0, classes.own)).sub_(rows, 2).mul_(pull).neg_();
}

/// A batch of one tile without a memory: the gradient comes out of the products and exponentials of the loss, which are not made again.
class SupConWhole : public torch::autograd::Function<SupConWhole> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& rows, const Tensor& labels, double temperature) {
    const c10::impl::ExcludeDispatchKeyGuard full_precision(c10::autocast_dispatch_keyset);
    const auto classes = classes_of(rows, labels, {});
    auto products = at::empty({rows.size(0), rows.size(0)}, rows.options());
    at::addmm_out(products, products, rows, rows.t(), /*beta=*/0, /*alpha=*/1 / temperature);
    products.fill_diagonal_(-std::numeric_limits<double>::infinity());
    const auto largest = products.amax(1);
    const auto exponentials = products.sub_(largest.unsqueeze(1)).exp_();
    const auto sums = exponentials.sum(1);
    const auto per_row = largest.add(sums.log()).sub_(mean_positive(rows, classes, temperature));
    const auto weight = shares(classes.positives);
    auto gradient = pulls(rows, classes, weight);
    const auto push = exponentials.mul_(weight.div(sums).unsqueeze(1));  // of each row at each column, and back
    gradient.addmm_(push, rows).addmm_(push.t(), rows).div_(temperature);
    context->save_for_backward({gradient});
    return per_row.mul_(weight).sum();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const at::AutoGradMode no_grad(false);  // a gradient of this gradient there is none
    return {context->get_saved_variables()[0].mul(gradients[0]), Tensor(), Tensor()};
  }
};

class SupConLoss : public torch::autograd::Function<SupConLoss> {
 public:
  static Tensor forward(torch::autograd::AutogradContext* context, const Tensor& rows, const Tensor& labels, const std::optional<Tensor>& past,
                        const std::optional<Tensor>& past_labels, double temperature, int64_t tile) {
    const auto memory = past.value_or(Tensor()), memory_labels = past_labels.value_or(Tensor());
    const c10::impl::ExcludeDispatchKeyGuard full_precision(c10::autocast_dispatch_keyset);
    const auto classes = classes_of(rows, labels, {memory, memory_labels});
    const auto denominators = log_denominators(rows, memory, temperature, tile);
    const auto per_row = denominators.sub(mean_positive(rows, classes, temperature));
    context->save_for_backward({rows, labels, memory, memory_labels, denominators});
    context->saved_data["temperature"] = temperature;
    context->saved_data["tile"] = tile;
    return per_row.mul_(shares(classes.positives)).sum();
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context, torch::autograd::variable_list gradients) {
    const c10::impl::ExcludeDispatchKeyGuard full_precision(c10::autocast_dispatch_keyset);
    const at::AutoGradMode no_grad(false);  // a gradient of this gradient there is none
    const auto saved = context->get_saved_variables();
    const auto &rows = saved[0], &memory = saved[2], &denominators = saved[4];
    const double temperature = context->saved_data["temperature"].toDouble();
    const int64_t tile = context->saved_data["tile"].toInt();
    const auto classes = classes_of(rows, saved[1], {memory, saved[3]});
    const auto weight = shares(classes.positives).mul_(gradients[0]);
    auto result = pulls(rows, classes, weight);
    // Push: p_ij is what j has of the denominator of i; a pair of the batch pushes both.
    Tiles tiles(rows, temperature, tile);
    over_pairs(tiles, rows, memory, tile, [&](int64_t i, int64_t j, const Tensor& columns, const Tensor& products) {
      const auto of = [&](int64_t index, int64_t along) {
        return tiles.exponentials(products, tiles.part(denominators, index).unsqueeze(along)).mul_(tiles.part(weight, index).unsqueeze(along));
      };
      if (j < 0) {
        tiles.part(result, i).addmm_(of(i, 1), columns);
        return;
      }
      auto push = of(i, 1).clone();
      push.add_(of(j, 0));
      tiles.part(result, i).addmm_(push, columns);
      if (j > i) tiles.part(result, j).addmm_(push.t(), tiles.part(rows, i));
    });
    return {result.div_(temperature), Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

void check(const Tensor& embeddings, const Tensor& labels, const std::string& what) {
  if (embeddings.dim() != 2 || embeddings.size(1) == 0 || labels.dim() != 1 || labels.size(0) != embeddings.size(0)) {
    throw error(ErrorKind::Shape, "supcon: expected ", what, " [N, D] and labels [N], got ", embeddings.sizes(), " and ", labels.sizes(),
                ". Repeat the labels once a view.");
  }
  const auto type = embeddings.scalar_type();
  if ((type != torch::kFloat && type != torch::kDouble) || labels.scalar_type() != torch::kLong) {
    throw error(ErrorKind::Shape, "supcon: expected ", what, " in float32 or float64 and labels in int64, got ", type, " and ",
                labels.scalar_type(), ".");
  }
}

}  // namespace

Tensor supcon_loss(const Tensor& embeddings, const Tensor& labels, double temperature, const ContrastMemory& memory, int64_t tile) {
  check(embeddings, labels, "embeddings");
  if (embeddings.size(0) < 2) {
    throw error(ErrorKind::Shape, "supcon: expected at least 2 embeddings, got ", embeddings.size(0), ". Raise batch_size.");
  }
  if (!(temperature > 0)) throw error(ErrorKind::Config, "supcon: expected a temperature above 0 but got ", temperature);
  auto past = memory.embeddings, past_labels = memory.labels;
  if (past.defined()) {
    check(past, past_labels, "embeddings in memory");
    if (past.size(1) != embeddings.size(1) || past.scalar_type() != embeddings.scalar_type()) {
      throw error(ErrorKind::Shape, "supcon: expected a memory of ", embeddings.size(1), " features like the embeddings', got ", past.size(1));
    }
    past = past.detach();
  }
  if (tile <= 0) tile = embeddings.is_cuda() ? 4096 : 512;
  const int64_t longest = std::max(embeddings.size(0), past.defined() ? past.size(0) : 0);
  if (!past.defined() && longest <= tile && at::GradMode::is_enabled() && embeddings.requires_grad()) {
    return SupConWhole::apply(embeddings.contiguous(), labels, temperature);
  }
  const auto given = [](const Tensor& value) { return value.defined() ? std::optional<Tensor>(value) : std::nullopt; };
  return SupConLoss::apply(embeddings.contiguous(), labels, given(past), given(past_labels), temperature, std::min(tile, longest));
}

}  // namespace trivium::kernels
