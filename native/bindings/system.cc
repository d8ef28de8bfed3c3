// Seeds, threads, devices, versions, locks, and leaving at once.
#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <torch/cuda.h>
#include <torch/utils.h>
#include <torch/version.h>
#include <unistd.h>

#include "bindings/convert.h"
#include "bindings/environment.h"
#include "bindings/register.h"
#include "core/device.h"
#include "core/error.h"
#include "core/file_lock.h"

namespace trivium::bindings {
namespace {

class LockWrap : public Napi::ObjectWrap<LockWrap> {
 public:
  explicit LockWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<LockWrap>(info) {}
  std::unique_ptr<FileLock> lock;
};

// tryLock(path) → lock | null
Napi::Value try_lock(const Napi::CallbackInfo& info) {
  auto lock = FileLock::try_acquire(to_string(info[0], "path"));
  if (!lock) return info.Env().Null();
  const auto object = Environment::of(info.Env()).lock_class.New({});
  LockWrap::Unwrap(object)->lock = std::move(lock);
  return object;
}

Napi::Value unlock(const Napi::CallbackInfo& info) {
  if (!info[0].IsObject() || !info[0].As<Napi::Object>().InstanceOf(Environment::of(info.Env()).lock_class.Value()))
    throw error(ErrorKind::Binding, "expected a lock");
  LockWrap::Unwrap(info[0].As<Napi::Object>())->lock.reset();
  return info.Env().Undefined();
}

Napi::Value manual_seed(const Napi::CallbackInfo& info) {
  torch::manual_seed(static_cast<uint64_t>(info[0].As<Napi::Number>().Int64Value()));
  return info.Env().Undefined();
}

// setThreads(n): this thread now, the engine's after what it has queued
Napi::Value set_threads(const Napi::CallbackInfo& info) {
  const double count = info[0].As<Napi::Number>().DoubleValue();
  if (!(count >= 1 && count <= 4096) || count != static_cast<int>(count))
    throw error(ErrorKind::Config, "threads: expected a whole number from 1 to 4096 but got ", count);
  at::set_num_threads(static_cast<int>(count));
  return Environment::of(info.Env()).engine.submit(info.Env(), 0, [count = static_cast<int>(count)] {
    at::set_num_threads(count);
    return Queue::Resolve([](Napi::Env env) { return env.Undefined(); });
  });
}

Napi::Value get_threads(const Napi::CallbackInfo& info) { return Napi::Number::New(info.Env(), at::get_num_threads()); }

Napi::Value versions(const Napi::CallbackInfo& info) {
  auto object = Napi::Object::New(info.Env());
  object.Set("libtorch", TORCH_VERSION);
  object.Set("cudaDevices", Napi::Number::New(info.Env(), torch::cuda::is_available() ? static_cast<double>(torch::cuda::device_count()) : 0));
  object.Set("cudaBuild", Napi::Boolean::New(info.Env(), at::hasCUDA()));
  return object;
}

// deviceMemory(device) → { peak, free, total } in bytes: the most that LibTorch has held for itself, and what the device has; null for "cpu"
Napi::Value device_memory(const Napi::CallbackInfo& info) {
  const auto device = trivium::parse_device(to_string(info[0], "device"));
  if (device.is_cpu()) return info.Env().Null();
  const auto index = device.has_index() ? device.index() : c10::DeviceIndex{0};
  auto* allocator = c10::getDeviceAllocator(device.type());
  const auto peak = allocator->initialized()
                        ? allocator->getDeviceStats(index).reserved_bytes[static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE)].peak
                        : 0;
  const auto [free, total] = allocator->getMemoryInfo(index);
  auto object = Napi::Object::New(info.Env());
  object.Set("peak", Napi::Number::New(info.Env(), static_cast<double>(peak)));
  object.Set("free", Napi::Number::New(info.Env(), static_cast<double>(free)));
  object.Set("total", Napi::Number::New(info.Env(), static_cast<double>(total)));
  return object;
}

// exitNow(code): ends the process without waiting for a job that may run for minutes
Napi::Value exit_now(const Napi::CallbackInfo& info) { ::_exit(info[0].As<Napi::Number>().Int32Value()); }

// halt(): ends the native threads; the process is about to exit
Napi::Value halt(const Napi::CallbackInfo& info) {
  auto& environment = Environment::of(info.Env());
  environment.engine.halt();
  environment.augmentation.halt();
  return info.Env().Undefined();
}

}  // namespace

void register_system(Napi::Env env, Napi::Object exports) {
  Environment::of(env).lock_class = Napi::Persistent(LockWrap::DefineClass(env, "FileLock", {}));
  export_function<try_lock>(env, exports, "tryLock");
  export_function<unlock>(env, exports, "unlock");
  export_function<manual_seed>(env, exports, "manualSeed");
  export_function<set_threads>(env, exports, "setThreads");
  export_function<get_threads>(env, exports, "getThreads");
  export_function<versions>(env, exports, "versions");
  export_function<device_memory>(env, exports, "deviceMemory");
  export_function<exit_now>(env, exports, "exitNow");
  export_function<halt>(env, exports, "halt");
}

}  // namespace trivium::bindings
