// One native thread with a first-in-first-out queue. Work runs there, its promise settles on the JavaScript thread.
//
// Not libuv's pool: every thread that enters OpenMP gets a pool of its own, and a training step must run in the order it was asked for.
#pragma once

#include <napi.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "core/mode.h"

namespace trivium::bindings {

/// How many threads parallel regions of the calling thread have; those of other threads keep theirs.
void set_threads_of_this_thread(int count);

class Queue {
 public:
  /// Makes the JavaScript value of a finished job, on the JavaScript thread.
  using Resolve = std::function<Napi::Value(Napi::Env)>;
  using Work = std::function<Resolve()>;

  /// `intraop_threads` > 0 fixes the thread count of this thread's parallel regions; 0 keeps LibTorch's.
  Queue(Napi::Env env, const char* name, int intraop_threads);
  ~Queue();

  /// Queues `work` under `mode`; the promise settles with what its Resolve makes, or rejects with what it threw.
  Napi::Promise submit(Napi::Env env, Mode mode, Work work);

  /// Drops what waits, lets the running job end, joins. Called when the environment goes.
  void stop();

  /// The thread's half of stop(), free of Node-API, for the process's exit: `process.exit` runs no cleanup hooks, and a job still
  /// running while LibTorch's static objects are destroyed crashes.
  void halt();

 private:
  struct Job;
  void run();
  void settle(Napi::Env env, Job* job);

  const int intraop_threads_;
  Napi::ThreadSafeFunction wake_;
  size_t pending_ = 0;  // jobs whose promise is open; JavaScript thread only
  bool stopped_ = false;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Job*> jobs_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace trivium::bindings
