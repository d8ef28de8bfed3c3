#include "bindings/queue.h"

#include <ATen/Parallel.h>

#ifndef _WIN32
#include <dlfcn.h>
#endif

#include <memory>
#include <optional>
#include <utility>

#include "bindings/errors.h"

namespace trivium::bindings {

struct Queue::Job {
  Job(Napi::Env env, Mode mode, Work work) : deferred(Napi::Promise::Deferred::New(env)), mode(mode), work(std::move(work)) {}
  Napi::Promise::Deferred deferred;
  Mode mode;
  Work work;
  Resolve resolve;
  std::optional<Failure> failure;
};

// at::set_num_threads would change every thread's count; OpenMP's own setting is the calling thread's alone.
void set_threads_of_this_thread(int count) {
  at::internal::lazy_init_num_threads();
#ifndef _WIN32
  if (const auto set = reinterpret_cast<void (*)(int)>(dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) set(count);
#endif
}

Queue::Queue(Napi::Env env, const char* name, int intraop_threads) : intraop_threads_(intraop_threads) {
  const auto nothing = Napi::Function::New(env, [](const Napi::CallbackInfo&) {});
  wake_ = Napi::ThreadSafeFunction::New(env, nothing, name, 0, 1);
  wake_.Unref(env);  // an idle queue does not keep the process alive
  thread_ = std::thread([this] { run(); });
}

Queue::~Queue() { stop(); }

Napi::Promise Queue::submit(Napi::Env env, Mode mode, Work work) {
  auto job = std::make_unique<Job>(env, mode, std::move(work));
  const Napi::Promise promise = job->deferred.Promise();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) throw Napi::Error::New(env, "the native engine has stopped with its environment");
    jobs_.push_back(job.release());
  }
  if (pending_++ == 0) wake_.Ref(env);
  arrived_.notify_one();
  return promise;
}

void Queue::run() {
  if (intraop_threads_ > 0) set_threads_of_this_thread(intraop_threads_);
  for (;;) {
    Job* job = nullptr;
    {
      std::unique_lock lock(mutex_);
      arrived_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
      if (stopping_) return;
      job = jobs_.front();
      jobs_.pop_front();
    }
    try {
      const ModeGuard guard(job->mode);
      job->resolve = job->work();
    } catch (...) {
      job->failure = describe(std::current_exception());
    }
    job->work = nullptr;  // frees what the job held, here rather than on the JavaScript thread
    const auto queued = wake_.NonBlockingCall([this, job](Napi::Env env, Napi::Function) { settle(env, job); });
    if (queued != napi_ok) delete job;  // the environment is going
  }
}

void Queue::settle(Napi::Env env, Job* raw) {
  const std::unique_ptr<Job> job(raw);
  if (env == nullptr) return;
  const Napi::HandleScope scope(env);
  if (--pending_ == 0) wake_.Unref(env);
  bindings::settle(env, job->deferred, [&]() -> Napi::Value {
    if (job->failure) throw to_js(env, *job->failure);
    return job->resolve(env);
  });
}

void Queue::halt() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  arrived_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Queue::stop() {
  if (stopped_) return;
  stopped_ = true;
  halt();
  for (Job* job : jobs_) delete job;
  jobs_.clear();
  wake_.Abort();
}

}  // namespace trivium::bindings
