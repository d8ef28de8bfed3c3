// Optimizers against torch.optim and timm; clipping, centralisation, SAM, Lookahead, averaging, state.
#include "check.h"
#include "golden.h"
#include "optim/optimizer.h"

using namespace trivium;
using namespace trivium::optim;
using trivium::testing::filled;
using trivium::testing::Json;

namespace {

const std::vector<std::pair<std::string, std::vector<int64_t>>> kShapes{{"w", {3, 4}}, {"late", {2, 3}}, {"b", {4}}};

struct Problem {
  std::map<std::string, torch::Tensor> parameters;
  std::unique_ptr<Optimizer> optimizer;
};

Problem problem(const std::string& kind, const std::map<std::string, OptionValue>& options, double decay, torch::ScalarType type) {
  Problem made;
  for (const auto& [name, shape] : kShapes) made.parameters[name] = filled(name, shape, type).requires_grad_();
  std::vector<ParameterGroup> groups{{{"w", "late"}, {made.parameters["w"], made.parameters["late"]}, 0.5, decay, false, true, kind == "muon"},
                                     {{"b"}, {made.parameters["b"]}, 1.0, 0.0}};
  made.optimizer = create_optimizer(kind, std::move(groups), Options(kind, options));
  return made;
}

void set_gradients(Problem& at, int64_t step, torch::ScalarType type) {
  for (auto& [name, parameter] : at.parameters) {
    const bool missing = (name == "late" && step == 0) || (name == "b" && step == 2);
    parameter.mutable_grad() = missing ? torch::Tensor() : filled("grad." + name + "." + std::to_string(step), parameter.sizes().vec(), type);
  }
}

std::map<std::string, OptionValue> options_of(const Json& given) {
  std::map<std::string, OptionValue> values;
  for (const auto& [key, value] : given.map) {
    if (value.kind == Json::Kind::Boolean) values[key] = value.boolean;
    if (value.kind == Json::Kind::Number) values[key] = value.number;
  }
  return values;
}

void agrees_with_torch(const Json& expected, const std::vector<double>& rates) {
  const auto type = expected["dtype"].text == "float64" ? torch::kDouble : torch::kFloat;
  const double tolerance = type == torch::kDouble ? 1e-12 : 2e-6;
  const auto options = options_of(expected["options"]);
  const double decay = expected["weight_decay"].number;
  auto running = problem(expected["kind"].text, options, decay, type);
  for (size_t step = 0; step < rates.size(); ++step) {
    if (step == 3) {  // a fresh optimizer with the saved state must go on as if nothing had happened
      auto resumed = problem(expected["kind"].text, options, decay, type);
      std::map<std::string, torch::Tensor> saved;
      for (const auto& [name, tensor] : running.optimizer->state()) saved[name] = tensor.clone();
      resumed.optimizer->load_state(saved);
      torch::NoGradGuard no_grad;
      for (auto& [name, parameter] : resumed.parameters) parameter.copy_(running.parameters[name]);
      running = std::move(resumed);
    }
    set_gradients(running, static_cast<int64_t>(step), type);
    running.optimizer->step(rates[step]);
  }
  for (const auto& [name, values] : expected["parameters"].map) CHECK_NEAR(running.parameters[name].flatten(), values.tensor(), tolerance);
  auto state = running.optimizer->state();
  for (const auto& [name, values] : expected["state"].map) {
    trivium::testing::report(state.contains(name), __FILE__, __LINE__, "no state " + name);
    if (state.contains(name)) CHECK_NEAR(state[name].flatten(), values.tensor(), tolerance);
  }
  CHECK_TRUE(state.size() == expected["state"].map.size() + 1);
  CHECK_TRUE(state["step"].equal(torch::tensor({5, 4, 4}, torch::kLong)));
}

// A gradient laid out otherwise than its parameter must not be read in the parameter's order.
void layouts_may_differ() {
  for (const std::string kind : {"sgd", "adamw"}) {
    auto plain = torch::ones({2, 3, 4, 5}).requires_grad_();
    auto last = torch::ones({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
    const auto gradient = filled("gradient", {2, 3, 4, 5});
    for (auto* parameter : {&plain, &last}) {
      auto optimizer = create_optimizer(kind, {{{"p"}, {*parameter}}}, Options(kind, {}));
      parameter->mutable_grad() = gradient.clone();
      optimizer->step(0.1);
      optimizer->step(0.1);
    }
    CHECK_NEAR(last, plain, 0.0);
  }
}

void clipping(const Json& cases) {
  for (const auto& expected : cases.list) {
    auto at = problem("sgd", {}, 0, torch::kFloat);
    for (auto& [name, parameter] : at.parameters) parameter.mutable_grad() = filled("grad." + name + ".0", parameter.sizes().vec());
    const double norm = at.optimizer->clip_grad_norm(expected["maximum"].number);
    CHECK_TRUE(std::abs(norm - expected["norm"].number) < 1e-6);
    for (const auto& [name, values] : expected["gradients"].map) CHECK_NEAR(at.parameters[name].grad().flatten(), values.tensor(), 1e-6);
  }
  auto at = problem("sgd", {}, 0, torch::kFloat);
  CHECK_TRUE(at.optimizer->clip_grad_norm(1.0) == 0);  // no gradients at all
  set_gradients(at, 1, torch::kFloat);
  const auto before = at.parameters["w"].grad().clone();
  CHECK_TRUE(at.optimizer->clip_grad_norm(0) > 0.1 && at.parameters["w"].grad().equal(before));  // 0 only measures
  at.parameters["b"].mutable_grad()[1] = NAN;
  CHECK_TRUE(std::isnan(at.optimizer->clip_grad_norm(1e-3)) && at.parameters["w"].grad().equal(before));
  CHECK_ERROR(Config, "norm of at least 0", at.optimizer->clip_grad_norm(-1));
  at.optimizer->zero_grad();
  CHECK_TRUE(!at.parameters["w"].grad().defined());
}

void adaptive_clipping(const Json& expected) {
  for (const double scale : {1.0, 4.0}) {
    auto at = problem("sgd", {{"momentum", 0.0}}, 0, torch::kFloat);
    std::map<std::string, torch::Tensor> before;
    for (auto& [name, parameter] : at.parameters) {
      parameter.mutable_grad() = filled("grad." + name + ".0", parameter.sizes().vec()) * scale;
      before[name] = parameter.detach().clone();
    }
    CHECK_TRUE(at.optimizer->update({1.0, 1 / scale, Clip::Adaptive, expected["limit"].number}).applied);
    for (const auto& [name, values] : expected["gradients"].map) {  // plain SGD at rate 1 moves by the gradient; group 0 by half of it
      const auto moved = (before[name] - at.parameters[name].detach()).flatten() * (name == "b" ? 1.0 : 2.0);
      CHECK_NEAR(moved, values.tensor(), 1e-5);
    }
  }
}

// What one loop does must be what the parts do one after the other.
void one_pass_equals_its_parts() {
  for (const std::string kind : {"adamw", "sgd", "lion", "lamb"}) {
    auto together = problem(kind, {}, 0.1, torch::kFloat), apart = problem(kind, {}, 0.1, torch::kFloat);
    const auto shadows_of = [](Problem& at) {
      std::vector<torch::Tensor> tensors;
      for (auto& [name, parameter] : at.parameters) tensors.push_back(parameter.detach().clone());
      return tensors;
    };
    const auto sources_of = [](Problem& at) {
      std::vector<torch::Tensor> tensors;
      for (auto& [name, parameter] : at.parameters) tensors.push_back(parameter);
      return tensors;
    };
    const auto shadow = shadows_of(together), other = shadows_of(apart);
    Average average(shadow, sources_of(together));
    for (int64_t step = 0; step < 4; ++step) {
      set_gradients(together, step, torch::kFloat);
      set_gradients(apart, step, torch::kFloat);
      for (auto& [name, parameter] : together.parameters) {
        if (parameter.grad().defined()) parameter.mutable_grad() = parameter.grad() * 8;  // as a loss scale of 8 leaves it
      }
      const auto result = together.optimizer->update({0.1, 0.125, Clip::Norm, 0.4, &average, 0.7});
      const double norm = apart.optimizer->clip_grad_norm(0.4);
      apart.optimizer->step(0.1);
      ema_update(other, sources_of(apart), 0.7);
      CHECK_TRUE(result.applied && std::abs(result.gradient_norm - norm) < 1e-6 && norm > 0.4);
      CHECK_TRUE(!together.parameters["w"].grad().defined());
    }
    for (auto& [name, parameter] : together.parameters) CHECK_NEAR(parameter, apart.parameters[name], 1e-6);
    for (size_t i = 0; i < shadow.size(); ++i) CHECK_NEAR(shadow[i], other[i], 1e-6);
  }
}

void what_is_not_finite_moves_nothing() {
  auto at = problem("adamw", {}, 0.1, torch::kFloat);
  const auto before = at.parameters["w"].detach().clone();
  set_gradients(at, 1, torch::kFloat);
  at.parameters["b"].mutable_grad()[1] = INFINITY;
  const auto result = at.optimizer->update({0.1});
  CHECK_TRUE(!result.applied && std::isinf(result.gradient_norm) && at.parameters["w"].equal(before));
  CHECK_TRUE(at.optimizer->state()["step"].equal(torch::zeros({3}, torch::kLong)));
  set_gradients(at, 1, torch::kFloat);
  at.parameters["b"].mutable_grad()[1] = NAN;
  CHECK_TRUE(std::isnan(at.optimizer->ascend(0.05, false, 0, 1)) && !at.optimizer->ascended() && at.parameters["w"].equal(before));
  CHECK_ERROR(Config, "learning rate of at least 0", at.optimizer->update({-1}));
  CHECK_ERROR(Config, "limit of the gradient above 0", at.optimizer->update({1, 1, Clip::Value, 0}));
  CHECK_ERROR(Config, "gradient scale above 0", at.optimizer->update({1, 0}));
}

void clipping_by_value() {
  auto at = problem("sgd", {{"momentum", 0.0}}, 0, torch::kFloat);
  const auto before = at.parameters["b"].detach().clone();
  at.parameters["b"].mutable_grad() = torch::tensor({4.0f, -0.5f, 0.25f, -8.0f});
  at.optimizer->update({1.0, 0.5, Clip::Value, 1.0});
  CHECK_NEAR(before - at.parameters["b"].detach(), torch::tensor({1.0, -0.25, 0.125, -1.0}), 1e-6);
}

void centralisation() {
  auto w = torch::zeros({3, 2, 2}).requires_grad_(), b = torch::zeros({4}).requires_grad_(), plain = torch::zeros({3, 4}).requires_grad_();
  auto optimizer = create_optimizer("sgd", {{{"w", "b"}, {w, b}, 1.0, 0.0, true}, {{"plain"}, {plain}}}, Options("sgd", {{"momentum", 0.0}}));
  for (auto* tensor : {&w, &b, &plain}) tensor->mutable_grad() = filled("gc", tensor->sizes().vec()) + 0.5;
  const auto expected = w.grad() - w.grad().mean({1, 2}, true);
  const auto norm = at::sqrt(expected.square().sum() + b.grad().square().sum() + plain.grad().square().sum()).item<double>();
  const auto given = plain.grad().clone(), bias = b.grad().clone();
  CHECK_TRUE(std::abs(optimizer->update({1.0}).gradient_norm - norm) < 1e-5);
  CHECK_NEAR(w.detach(), -expected, 1e-6);
  CHECK_NEAR(w.detach().mean({1, 2}), torch::zeros({3}), 1e-6);
  CHECK_NEAR(b.detach(), -bias, 1e-6);
  CHECK_NEAR(plain.detach(), -given, 1e-6);
}

// ½ wᵀ A w: w' = w − lr · A (w + ρ · A w / ‖A w‖), with two tensors and one norm over both.
void sam_on_a_quadratic() {
  for (const std::string kind : {"sgd", "adamw"}) {
    const std::map<std::string, OptionValue> options =
        kind == "sgd" ? std::map<std::string, OptionValue>{{"momentum", 0.0}} : std::map<std::string, OptionValue>{};
    const auto a = torch::tensor({3.0f, 1.0f, 0.5f, 2.0f, 4.0f});
    const auto start = torch::tensor({1.0f, -2.0f, 0.5f, 0.25f, -1.0f});
    auto first = start.slice(0, 0, 2).clone().requires_grad_(), second = start.slice(0, 2).clone().requires_grad_();
    auto optimizer = create_optimizer(kind, {{{"x"}, {first}}, {{"y"}, {second}}}, Options(kind, options));
    const auto gradient = [&](double scale) {
      first.mutable_grad() = a.slice(0, 0, 2) * first.detach() * scale;
      second.mutable_grad() = a.slice(0, 2) * second.detach() * scale;
    };
    gradient(1024);  // as under a loss scale: what is unscaled gives the ascent
    const double norm = optimizer->ascend(0.05, false, 0, 1.0 / 1024);
    const auto g = a * start;
    CHECK_TRUE(std::abs(norm - g.norm().item<double>()) < 1e-5 && optimizer->ascended() && !first.grad().defined());
    const auto up = start + 0.05 * g / g.norm();
    CHECK_NEAR(torch::cat({first, second}).detach(), up, 1e-6);
    CHECK_ERROR(Binding, "ascended already", optimizer->ascend(0.05, false, 0, 1));
    gradient(1);
    CHECK_TRUE(optimizer->update({0.1}).applied && !optimizer->ascended());
    if (kind == "sgd") CHECK_NEAR(torch::cat({first, second}).detach(), start - 0.1 * a * up, 1e-6);
    // Adam's first step is of size lr from the weights themselves, not from where they ascended to.
    if (kind == "adamw") CHECK_NEAR(torch::cat({first, second}).detach(), start - 0.1 * (a * up).sign(), 1e-5);

    const auto here = first.detach().clone();
    gradient(1);
    optimizer->ascend(0.3, false, 0, 1);
    optimizer->descend();
    CHECK_TRUE(first.equal(here));  // bit for bit, which w − ε is not
    gradient(1);
    optimizer->ascend(0.3, false, 0, 1);
    first.mutable_grad() = torch::full({2}, NAN);
    CHECK_TRUE(!optimizer->update({0.1}).applied && first.equal(here));
    gradient(1);
    optimizer->ascend(0.3, false, 0, 1);
    CHECK_TRUE(optimizer->update({0.1}).applied && first.equal(here));  // no gradient up there: back, and not updated
    CHECK_ERROR(Config, "rho above 0", optimizer->ascend(0, false, 0, 1));
    CHECK_ERROR(Config, "eta of at least 0", optimizer->ascend(1, true, -1, 1));
  }
}

// Who looks at a weight's memory sees it go up and come back; of a tensor that holds two weights, each moves by itself.
void sam_in_shared_memory() {
  const auto both = torch::tensor({1.0f, -2.0f, 0.5f, 0.25f});
  auto whole = torch::tensor({{3.0f, -4.0f}, {2.0f, 1.0f}}).requires_grad_();
  auto left = both.slice(0, 0, 2).detach().requires_grad_(), right = both.slice(0, 2).detach().requires_grad_();
  const auto before = torch::cat({whole.detach().flatten(), both});
  const auto* place = whole.const_data_ptr<float>();
  const auto row = whole.detach()[1];
  auto optimizer = create_optimizer("adamw", {{{"whole", "left", "right"}, {whole, left, right}}}, Options("adamw", {}));
  whole.mutable_grad() = torch::full({2, 2}, 2.0f);
  left.mutable_grad() = torch::full({2}, 1.0f);
  right.mutable_grad() = torch::full({2}, -1.0f);
  optimizer->ascend(1, false, 0, 1);
  const double unit = 1 / std::sqrt(20.0);
  CHECK_NEAR(whole.detach(), before.slice(0, 0, 4).view({2, 2}) + 2 * unit, 1e-6);
  CHECK_TRUE(row.equal(whole.detach()[1]));
  CHECK_NEAR(both, before.slice(0, 4) + torch::tensor({1.0f, 1.0f, -1.0f, -1.0f}) * unit, 1e-6);
  optimizer->descend();
  CHECK_TRUE(torch::cat({whole.detach().flatten(), both}).equal(before) && row.equal(whole.detach()[1]));
  CHECK_TRUE(whole.const_data_ptr<float>() == place);

  auto tied = whole.detach().requires_grad_();  // a second tensor of the same memory
  const auto held = whole.detach().clone();
  auto both_names = create_optimizer("sgd", {{{"whole", "tied"}, {whole, tied}}}, Options("sgd", {}));
  for (auto& weights : {whole, tied}) weights.mutable_grad() = torch::full({2, 2}, 2.0f);
  both_names->ascend(1, false, 0, 1);
  CHECK_TRUE(!whole.equal(held));
  both_names->descend();
  CHECK_TRUE(whole.equal(held) && tied.equal(held));
}

void adaptive_sam(const Json& expected) {
  std::vector<std::string> names;
  std::vector<torch::Tensor> weights;
  for (const auto& [name, shape] : kShapes) {
    names.push_back(name == "b" ? "b.bias" : name + ".weight");
    weights.push_back(filled(name, shape, torch::kDouble).requires_grad_());
    weights.back().mutable_grad() = filled("grad." + name + ".0", shape, torch::kDouble);
  }
  auto optimizer = create_optimizer("sgd", {{names, weights}}, Options("sgd", {}));
  const double norm = optimizer->ascend(expected["rho"].number, true, expected["eta"].number, 1.0);
  CHECK_TRUE(std::abs(norm - expected["norm"].number) < 1e-9);
  for (size_t i = 0; i < weights.size(); ++i) CHECK_NEAR(weights[i].detach().flatten(), expected["weights"][kShapes[i].first].tensor(), 1e-9);
}

// A constant gradient step of −1 from 10, k 6, α 0.5.
void lookahead() {
  auto w = torch::full({1}, 10.0f).requires_grad_();
  auto optimizer = create_optimizer("sgd", {{{"w"}, {w}}}, Options("sgd", {{"momentum", 0.0}}));
  CHECK_ERROR(Binding, "no slow weights", optimizer->pull_slow_weights(0.5));
  optimizer->keep_slow_weights();
  const std::vector<double> expected{9, 8, 7, 6, 5, 7, 6, 5, 4, 3, 2, 4};
  for (size_t step = 0; step < expected.size(); ++step) {
    w.mutable_grad() = torch::ones({1});
    optimizer->update({1.0});
    if (step % 6 == 5) optimizer->pull_slow_weights(0.5);
    CHECK_TRUE(w.item<double>() == expected[step]);
  }
  CHECK_TRUE(optimizer->state()["slow.w"].item<double>() == 4);
  CHECK_ERROR(Config, "alpha in (0, 1]", optimizer->pull_slow_weights(0));
}

void averaging() {
  const auto shadow = filled("shadow", {3, 4}), source = filled("source", {3, 4});
  const auto expected = shadow * 0.9 + source * 0.1;
  auto counter = torch::zeros({}, torch::kLong);
  auto averaged = shadow.clone();
  auto leaf = source.clone().requires_grad_();
  ema_update({averaged, counter}, {leaf, torch::full({}, 5, torch::kLong)}, 0.9);
  CHECK_NEAR(averaged, expected, 1e-6);
  CHECK_TRUE(counter.item<int64_t>() == 5 && !averaged.requires_grad());
  CHECK_ERROR(Shape, "as many shadow tensors", ema_update({averaged}, {}, 0.9));
  CHECK_ERROR(Shape, "equal shapes and types at position 0", ema_update({averaged}, {torch::zeros({2})}, 0.9));
  CHECK_ERROR(Config, "decay in [0, 1]", ema_update({averaged}, {source}, 1.5));
}

void refusals() {
  const auto w = torch::ones({2}).requires_grad_();
  const auto make = [&](const std::string& kind, std::map<std::string, OptionValue> options) {
    create_optimizer(kind, {{{"w"}, {w}}}, Options(kind, std::move(options)));
  };
  CHECK_ERROR(Config, "Did you mean adamw", make("adamv", {}));
  CHECK_ERROR(Config, "momentum in [0, 1) but got 1", make("sgd", {{"momentum", 1.0}}));
  CHECK_ERROR(Config, "nesterov needs a momentum", make("sgd", {{"momentum", 0.0}, {"nesterov", true}}));
  CHECK_ERROR(Config, "nesterov needs", make("sgd", {{"dampening", 0.1}, {"nesterov", true}}));
  CHECK_ERROR(Config, "dampening in [0, 1]", make("sgd", {{"dampening", 2.0}}));
  CHECK_ERROR(Config, "unknown option beta1", make("sgd", {{"beta1", 0.9}}));
  CHECK_ERROR(Config, "lion: expected beta2", make("lion", {{"beta2", 1.0}}));
  CHECK_ERROR(Config, "lamb: expected eps", make("lamb", {{"eps", 0.0}}));
  CHECK_ERROR(Config, "muon: expected momentum", make("muon", {{"momentum", 1.0}}));
  CHECK_ERROR(Config, "rows and columns",
              create_optimizer("muon", {{{"w"}, {w}, 1.0, 0.0, false, true, true}}, Options("muon", {})));
  CHECK_ERROR(Config, "beta1 in [0, 1) but got 1", make("adamw", {{"beta1", 1.0}}));
  CHECK_ERROR(Config, "beta2 in [0, 1) but got -1", make("adamw", {{"beta2", -1.0}}));
  CHECK_ERROR(Config, "eps above 0", make("adamw", {{"eps", 0.0}}));
  CHECK_ERROR(Config, "at least one parameter", create_optimizer("sgd", {}, Options("sgd", {})));
  CHECK_ERROR(Config, "\"w\" is in two places", create_optimizer("sgd", {{{"w", "w"}, {w, w}}}, Options("sgd", {})));
  CHECK_ERROR(Config, "weight decay of at least 0", create_optimizer("sgd", {{{"w"}, {w}, 1.0, -0.1}}, Options("sgd", {})));
  CHECK_ERROR(Config, "rate scale of at least 0", create_optimizer("sgd", {{{"w"}, {w}, -1.0}}, Options("sgd", {})));
  CHECK_ERROR(Config, "a name for each of 1", create_optimizer("sgd", {{{}, {w}}}, Options("sgd", {})));

  auto at = problem("adamw", {}, 0, torch::kFloat);
  CHECK_ERROR(Config, "learning rate of at least 0", at.optimizer->step(NAN));
  auto state = at.optimizer->state();
  state.erase("exp_avg.w");
  state["other"] = torch::zeros({1});
  state["exp_avg_sq.b"] = torch::zeros({9});
  CHECK_ERROR(Snapshot, "Missing: exp_avg.w. Surplus: other. Of another shape: exp_avg_sq.b.", at.optimizer->load_state(state));
}

}  // namespace

int main() {
  const auto golden = trivium::testing::golden("optim.json");
  std::vector<double> rates;
  for (const auto& rate : golden["rates"].list) rates.push_back(rate.number);
  for (const auto& expected : golden["cases"].list) agrees_with_torch(expected, rates);
  layouts_may_differ();
  clipping(golden["clip"]);
  adaptive_clipping(golden["adaptive"]);
  clipping_by_value();
  one_pass_equals_its_parts();
  what_is_not_finite_moves_nothing();
  centralisation();
  sam_on_a_quadratic();
  sam_in_shared_memory();
  adaptive_sam(golden["asam"]);
  lookahead();
  averaging();
  refusals();
  return trivium::testing::finish("optim");
}
