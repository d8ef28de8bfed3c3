// Augmentation plans (their own thread) and single-image resizing (libuv's pool: it never enters OpenMP).
#include <cstring>

#include "augment/plan.h"
#include "augment/resize.h"
#include "bindings/arrays.h"
#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/error.h"

namespace trivium::bindings {
namespace {

class PlanWrap : public Napi::ObjectWrap<PlanWrap> {
 public:
  explicit PlanWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<PlanWrap>(info) {}
  std::shared_ptr<const augment::Plan> plan;
};

// createPlan([{name, options}], mean, std, seed, firstOperation)
Napi::Value create_plan(const Napi::CallbackInfo& info) {
  const auto list = info[0].As<Napi::Array>();
  std::vector<std::unique_ptr<augment::Operation>> operations;
  for (uint32_t i = 0; i < list.Length(); i++) {
    const auto object = list.Get(i).As<Napi::Object>();
    operations.push_back(augment::create_operation(to_options(to_string(object.Get("name"), "operation"), object.Get("options"))));
  }
  const auto object = Environment::of(info.Env()).plan_class.New({});
  PlanWrap::Unwrap(object)->plan = std::make_shared<const augment::Plan>(
      std::move(operations), to_numbers(info[1], "mean"), to_numbers(info[2], "std"),
      static_cast<uint64_t>(info[3].As<Napi::Number>().Int64Value()), info[4].As<Napi::Number>().Int64Value());
  return object;
}

/// Everything that a call of a plan needs, read on the JavaScript thread.
struct PlanCall {
  std::shared_ptr<const augment::Plan> plan;
  torch::Tensor images, ids;
  augment::Plan::Call call;
  int threads;
};

// (plan, images, sampleIds, {epoch, views, firstView, stacked, threads})
PlanCall plan_call(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(Environment::of(info.Env()).plan_class.Value()))
    throw error(ErrorKind::Binding, "expected an augmentation plan");
  const auto o = info[3].As<Napi::Object>();
  const auto number = [&](const char* key) { return o.Get(key).As<Napi::Number>().Int64Value(); };
  return {PlanWrap::Unwrap(info[0].As<Napi::Object>())->plan,
          unwrap_tensor(info[1], "images"),
          unwrap_tensor(info[2], "sample ids"),
          {.epoch = static_cast<uint32_t>(number("epoch")),
           .views = number("views"),
           .first_view = number("firstView"),
           .stacked = o.Get("stacked").As<Napi::Boolean>().Value()},
          static_cast<int>(number("threads"))};
}

/// The augmentation thread's parallel regions for one call; beside a training step they have one thread.
class ThreadsGuard {
 public:
  explicit ThreadsGuard(int threads) { set_threads_of_this_thread(threads); }
  ~ThreadsGuard() { set_threads_of_this_thread(1); }
};

// planApply(…) → Promise<handle>
Napi::Value plan_apply(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).augmentation.submit(info.Env(), 0, [c = plan_call(info)] {
    const ThreadsGuard threads(c.threads);
    return Queue::Resolve([batch = c.plan->apply(c.images, c.ids, c.call)](Napi::Env env) { return wrap_tensor(env, batch); });
  });
}

// planApplyToPixels(…) → Promise<handle>
Napi::Value plan_apply_to_pixels(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).augmentation.submit(info.Env(), 0, [c = plan_call(info)] {
    const ThreadsGuard threads(c.threads);
    return Queue::Resolve([batch = c.plan->apply_to_pixels(c.images, c.ids, c.call)](Napi::Env env) { return wrap_tensor(env, batch); });
  });
}

// planDraws(…) → Promise<{operation, values: [[name, number]]}[][]>: what is done to each image
Napi::Value plan_draws(const Napi::CallbackInfo& info) {
  return Environment::of(info.Env()).augmentation.submit(info.Env(), 0, [c = plan_call(info)] {
    std::vector<std::vector<augment::Draw>> draws;
    c.plan->apply_to_pixels(c.images, c.ids, c.call, &draws);
    return Queue::Resolve([draws = std::move(draws)](Napi::Env env) -> Napi::Value {
      auto all = Napi::Array::New(env, draws.size());
      for (uint32_t i = 0; i < draws.size(); i++) {
        auto image = Napi::Array::New(env, draws[i].size());
        for (uint32_t k = 0; k < draws[i].size(); k++) {
          auto values = Napi::Array::New(env);
          for (const auto& [name, value] : draws[i][k].values) {
            auto pair = Napi::Array::New(env, 2);
            pair.Set(uint32_t{0}, Napi::String::New(env, name));
            pair.Set(uint32_t{1}, Napi::Number::New(env, value));
            values.Set(values.Length(), pair);
          }
          auto draw = Napi::Object::New(env);
          draw.Set("operation", draws[i][k].operation);
          draw.Set("values", values);
          image.Set(k, draw);
        }
        all.Set(i, image);
      }
      return all;
    });
  });
}

Napi::Value operation_names(const Napi::CallbackInfo& info) {
  auto array = Napi::Array::New(info.Env());
  for (const auto& entry : augment::operations()) array.Set(array.Length(), entry.name);
  return array;
}

class ResizeWorker : public Napi::AsyncWorker {
 public:
  using Make = std::function<std::vector<uint8_t>(const uint8_t*)>;
  ResizeWorker(Napi::Env env, const Napi::Uint8Array& pixels, Make make)
      : Napi::AsyncWorker(env), deferred(Napi::Promise::Deferred::New(env)), kept_(Napi::Persistent(pixels.As<Napi::Object>())),
        pixels_(pixels.Data()), make_(std::move(make)) {}

  void Execute() override {
    try {
      result_ = make_(pixels_);
    } catch (...) {
      failure_ = describe(std::current_exception());
    }
  }

  void OnOK() override {
    settle(Env(), deferred, [&]() -> Napi::Value {
      if (failure_) throw to_js(Env(), *failure_);
      auto array = new_array<Napi::Uint8Array>(Env(), result_.size());
      if (!result_.empty()) std::memcpy(array.Data(), result_.data(), result_.size());
      return array;
    });
  }

  Napi::Promise::Deferred deferred;

 private:
  Napi::ObjectReference kept_;  // the pixels stay alive while another thread reads them
  const uint8_t* pixels_;
  Make make_;
  std::vector<uint8_t> result_;
  std::optional<Failure> failure_;
};

int64_t positive(const Napi::Value& value, const char* what) {
  const int64_t number = value.As<Napi::Number>().Int64Value();
  if (number < 1 || number > (1 << 20)) throw error(ErrorKind::Shape, what, ": expected a size from 1 to 1048576 but got ", number);
  return number;
}

Napi::Uint8Array pixels_of(const Napi::CallbackInfo& info, int64_t height, int64_t width) {
  if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
    throw error(ErrorKind::Shape, "pixels: expected a Uint8Array");
  const auto pixels = info[0].As<Napi::Uint8Array>();
  if (static_cast<int64_t>(pixels.ElementLength()) != height * width * 3)
    throw error(ErrorKind::Shape, "pixels: expected ", height, " × ", width, " × 3 = ", height * width * 3, " bytes but got ",
                pixels.ElementLength());
  return pixels;
}

Napi::Value start(const Napi::CallbackInfo& info, const Napi::Uint8Array& pixels, ResizeWorker::Make make) {
  auto* worker = new ResizeWorker(info.Env(), pixels, std::move(make));  // frees itself when done
  const auto promise = worker->deferred.Promise();
  worker->Queue();
  return promise;
}

// resize(pixels, height, width, outHeight, outWidth, interpolation) → Promise<Uint8Array>
Napi::Value resize_image(const Napi::CallbackInfo& info) {
  const int64_t height = positive(info[1], "height"), width = positive(info[2], "width");
  const int64_t out_height = positive(info[3], "out height"), out_width = positive(info[4], "out width");
  return start(info, pixels_of(info, height, width), [=, mode = to_string(info[5], "interpolation")](const uint8_t* pixels) {
    return augment::resize(pixels, height, width, out_height, out_width, mode);
  });
}

// resizeAndCenterCrop(pixels, height, width, resizeTo, cropTo, interpolation) → Promise<Uint8Array>
Napi::Value resize_and_center_crop(const Napi::CallbackInfo& info) {
  const int64_t height = positive(info[1], "height"), width = positive(info[2], "width");
  const int64_t resize_to = positive(info[3], "resize_to"), crop_to = positive(info[4], "crop_to");
  return start(info, pixels_of(info, height, width), [=, mode = to_string(info[5], "interpolation")](const uint8_t* pixels) {
    return augment::resize_and_center_crop(pixels, height, width, resize_to, crop_to, mode);
  });
}

}  // namespace

void register_augmentation(Napi::Env env, Napi::Object exports) {
  Environment::of(env).plan_class = Napi::Persistent(PlanWrap::DefineClass(env, "NativeAugmentPlan", {}));
  export_function<create_plan>(env, exports, "createPlan");
  export_function<plan_apply>(env, exports, "planApply");
  export_function<plan_apply_to_pixels>(env, exports, "planApplyToPixels");
  export_function<plan_draws>(env, exports, "planDraws");
  export_function<operation_names>(env, exports, "augmentOperations");
  export_function<resize_image>(env, exports, "resizeImage");
  export_function<resize_and_center_crop>(env, exports, "resizeAndCenterCrop");
}

}  // namespace trivium::bindings
