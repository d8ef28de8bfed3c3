// Separable Gaussian smoothing over interleaved RGB, the edge mirrored without repeating it.
#pragma once

#include <cstdint>
#include <vector>

namespace trivium::augment {

/// Weights of torchvision's gaussian_blur: exp(−x²/σ²) at `size` points from −(size − 1)/√8 to (size − 1)/√8, normalised. That is
/// e^(−d²/2σ²) at whole distances d. In 32767ths, their sum exact.
std::vector<int16_t> gaussian_weights(int64_t size, double sigma);

/// weights: an odd number of them; half of it must be less than height and width. target may be source.
void blur(const uint8_t* source, uint8_t* target, int64_t height, int64_t width, const std::vector<int16_t>& weights,
          std::vector<int16_t>& scratch);

}  // namespace trivium::augment
