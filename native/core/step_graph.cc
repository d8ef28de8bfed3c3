#include "core/step_graph.h"

#include "core/error.h"

#ifdef TRIVIUM_CUDA
#include <ATen/cuda/CUDAGraph.h>
#include <c10/core/DeviceGuard.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#include <c10/cuda/CUDAStream.h>

#include <mutex>
#include <optional>
#endif

namespace trivium {

#ifdef TRIVIUM_CUDA
namespace {

// Process-wide, like the device that it is about: the threads of a pass find the stream here.
std::mutex mutex;
const void* owner = nullptr;
std::optional<c10::cuda::CUDAStream> active;

void claim(const void* graph, const c10::cuda::CUDAStream& stream) {
  const std::lock_guard lock(mutex);
  if (owner != nullptr) throw error(ErrorKind::Binding, "CUDA graph: another pass of this process is being warmed up or captured");
  owner = graph;
  active = stream;
}

void release(const void* graph) {
  const std::lock_guard lock(mutex);
  if (owner != graph) return;
  owner = nullptr;
  active.reset();
}

// Guards for any device: those for CUDA are inline calls of the CUDA runtime, which would have to be linked too.
c10::Device on(c10::DeviceIndex index) { return {c10::DeviceType::CUDA, index}; }

/// What `later` is given from now on begins after what `earlier` was given.
void wait(const c10::cuda::CUDAStream& later, const c10::cuda::CUDAStream& earlier) {
  c10::Event event(c10::DeviceType::CUDA);
  event.record(earlier.unwrap());
  event.block(later.unwrap());
}

}  // namespace

struct SideStreamScope::Guard {
  explicit Guard(const c10::cuda::CUDAStream& stream) : guard(stream.unwrap()) {}
  c10::StreamGuard guard;
};

SideStreamScope::SideStreamScope() {
  const std::lock_guard lock(mutex);
  if (active) guard_ = std::make_unique<Guard>(*active);
}

struct StepGraph::State {
  explicit State(c10::DeviceIndex index) : device(index), side(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, index)) {}

  c10::DeviceIndex device;
  c10::cuda::CUDAStream side;  // of a pool that lives as long as the process
  std::unique_ptr<at::cuda::CUDAGraph> graph;
  bool capturing = false;
};

StepGraph::StepGraph(torch::Device device) {
  if (!device.is_cuda()) throw error(ErrorKind::Config, "CUDA graph: expected a CUDA device but got ", device);
  state_ = std::make_unique<State>(device.index() < 0 ? c10::DeviceIndex{0} : device.index());
}

StepGraph::~StepGraph() {
  if (state_ == nullptr) return;
  if (state_->capturing) abandon();
  release(this);
  try {
    reset();
  } catch (...) {  // the device is going, and its memory with it
  }
}

void StepGraph::enter() {
  const c10::DeviceGuard device(on(state_->device));
  wait(state_->side, c10::cuda::getCurrentCUDAStream(state_->device));
  claim(this, state_->side);  // last: whoever failed to enter does not leave
}

void StepGraph::leave() {
  release(this);
  const c10::DeviceGuard device(on(state_->device));
  wait(c10::cuda::getCurrentCUDAStream(state_->device), state_->side);
}

void StepGraph::begin_capture(const StepGraph* sharing) {
  if (state_->graph) throw error(ErrorKind::Binding, "CUDA graph: expected none but one was captured before");
  const c10::DeviceGuard device(on(state_->device));
  claim(this, state_->side);
  try {
    // Nothing may be on its way, and memory that only other streams can use again would be missing in the graph's own.
    c10::cuda::device_synchronize();
    c10::cuda::CUDACachingAllocator::emptyCache();
    const c10::StreamGuard stream(state_->side.unwrap());
    state_->graph = std::make_unique<at::cuda::CUDAGraph>();
    const bool shares = sharing != nullptr && sharing->state_->graph != nullptr;
    state_->graph->capture_begin(shares ? sharing->state_->graph->pool() : c10::MempoolId_t{0, 0}, cudaStreamCaptureModeRelaxed);
    state_->capturing = true;
  } catch (...) {
    state_->graph.reset();
    release(this);
    throw;
  }
}

void StepGraph::end_capture() {
  if (!state_->capturing) throw error(ErrorKind::Binding, "CUDA graph: no capture has begun");
  try {
    const c10::StreamGuard stream(state_->side.unwrap());
    state_->graph->capture_end();
    state_->capturing = false;
    release(this);
  } catch (...) {
    abandon();
    throw;
  }
}

void StepGraph::abandon() noexcept {
  if (state_->capturing) {
    state_->capturing = false;
    try {
      const c10::StreamGuard stream(state_->side.unwrap());
      state_->graph->capture_end();
    } catch (...) {  // what made the capture fail is reported by whoever saw it
    }
    try {
      state_->graph.reset();
    } catch (...) {
    }
  }
  release(this);
}

void StepGraph::replay() {
  if (!state_->graph || state_->capturing) throw error(ErrorKind::Binding, "CUDA graph: nothing was captured");
  const c10::DeviceGuard device(on(state_->device));
  state_->graph->replay();
}

void StepGraph::reset() {
  if (!state_->graph) return;
  const c10::DeviceGuard device(on(state_->device));
  c10::cuda::device_synchronize();
  state_->graph.reset();
}

#else  // a LibTorch for the CPU, or no CUDA headers

struct SideStreamScope::Guard {};
SideStreamScope::SideStreamScope() = default;

struct StepGraph::State {};

StepGraph::StepGraph(torch::Device device) {
  throw error(ErrorKind::Config, "compile: expected an addon that was built with CUDA's headers, to capture steps on ", device,
              ", but this one was built without. Build it against a CUDA LibTorch with the CUDA toolkit's headers, or remove compile.");
}

StepGraph::~StepGraph() = default;
void StepGraph::enter() {}
void StepGraph::leave() {}
void StepGraph::begin_capture(const StepGraph*) {}
void StepGraph::end_capture() {}
void StepGraph::abandon() noexcept {}
void StepGraph::replay() {}
void StepGraph::reset() {}

#endif

SideStreamScope::~SideStreamScope() = default;

}  // namespace trivium
