// The pass of a training step as a CUDA graph: warmed up, captured once, then launched as a whole.
//
// A pass is asked for from two threads (losses on the JavaScript thread, networks and backward on the engine thread) and autograd adds its
// own. So the stream is no state of one thread: the calls of a pass carry kModeSide (core/mode.h), and each runs on the one side stream of
// the graph that is being warmed up or captured, on whichever thread it runs. Calls without that bit (a loader that copies its next batch)
// stay on the default stream and are not captured. The capture mode is "relaxed" for the same reason: the stricter ones make an
// allocation or a synchronisation on any thread, or the end of the capture on another one, an error; here they are none of the pass's.
#pragma once

#include <torch/types.h>

#include <memory>

namespace trivium {

/// While one lives, the calling thread works on the side stream of the graph that is being warmed up or captured. With none, nothing
/// changes.
class SideStreamScope {
 public:
  SideStreamScope();
  ~SideStreamScope();
  SideStreamScope(const SideStreamScope&) = delete;
  SideStreamScope& operator=(const SideStreamScope&) = delete;

 private:
  struct Guard;
  std::unique_ptr<Guard> guard_;
};

/// One at a time in a process is warmed up or captured. Every function throws BindingError when it is called out of turn, or c10::Error for
/// what CUDA refuses.
class StepGraph {
 public:
  /// Throws ConfigError when `device` is not CUDA, or this addon was built without CUDA.
  explicit StepGraph(torch::Device device);
  ~StepGraph();
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;

  /// Between the two, calls of kModeSide run, eagerly, on the side stream. That stream begins after what the calling thread's stream was
  /// given before, and `leave` makes that one wait for it: no host waits.
  void enter();
  void leave();

  /// Between the two, calls of kModeSide are recorded and not run. Memory that they take belongs to the graph (to `sharing`'s memory where
  /// that is given: the two must not be replayed at once, and what a replay left is overwritten by the other's). The CUDA generator's draws
  /// are recorded relative to its seed and offset at the time of a replay: with the seed set before it, a replay draws what the same calls
  /// would have drawn.
  void begin_capture(const StepGraph* sharing);
  void end_capture();
  /// Ends a capture that failed. Nothing was run.
  void abandon() noexcept;

  /// On the calling thread's stream.
  void replay();

  /// Waits for the device and frees the graph with its memory; `begin_capture` may be called again.
  void reset();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace trivium
