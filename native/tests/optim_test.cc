// SGD and AdamW against torch.optim; clipping, averaging, state.
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
  std::vector<ParameterGroup> groups{{{"w", "late"}, {made.parameters["w"], made.parameters["late"]}, 0.5, decay},
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
  CHECK_ERROR(Config, "Did you mean adamw", make("adam", {}));
  CHECK_ERROR(Config, "momentum in [0, 1) but got 1", make("sgd", {{"momentum", 1.0}}));
  CHECK_ERROR(Config, "nesterov needs a momentum", make("sgd", {{"momentum", 0.0}, {"nesterov", true}}));
  CHECK_ERROR(Config, "nesterov needs", make("sgd", {{"dampening", 0.1}, {"nesterov", true}}));
  CHECK_ERROR(Config, "dampening in [0, 1]", make("sgd", {{"dampening", 2.0}}));
  CHECK_ERROR(Config, "unknown option beta1", make("sgd", {{"beta1", 0.9}}));
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
  averaging();
  refusals();
  return trivium::testing::finish("optim");
}
