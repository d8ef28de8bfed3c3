#include "nn/patterns.h"

#include <algorithm>
#include <cstddef>

namespace trivium::nn {
namespace {

/// One part against one part, with * and ?.
bool part_matches(const std::string& pattern, const std::string& part) {
  size_t p = 0, n = 0, star = std::string::npos, resume = 0;
  while (n < part.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == part[n]))) {
      ++p, ++n;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      resume = n;
    } else if (star != std::string::npos) {
      p = star + 1;
      n = ++resume;  // the star takes one more character
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool matches_at(const std::vector<std::string>& pattern, const std::vector<std::string>& name, size_t at) {
  return std::equal(pattern.begin(), pattern.end(), name.begin() + static_cast<std::ptrdiff_t>(at), part_matches);
}

}  // namespace

std::vector<std::string> name_parts(const std::string& name) {
  std::vector<std::string> parts(1);
  for (const char letter : name) {
    if (letter == '.') parts.emplace_back();
    else parts.back() += letter;
  }
  return parts;
}

bool names(const std::string& pattern, const std::string& name) {
  const auto wanted = name_parts(pattern), parts = name_parts(name);
  return wanted.size() <= parts.size() && matches_at(wanted, parts, parts.size() - wanted.size());
}

bool covers(const std::string& pattern, const std::string& name) {
  const auto wanted = name_parts(pattern), parts = name_parts(name);
  for (size_t at = 0; at + wanted.size() <= parts.size(); ++at) {
    if (matches_at(wanted, parts, at)) return true;
  }
  return false;
}

bool is_under(const std::string& prefix, const std::string& name) {
  return name.compare(0, prefix.size(), prefix) == 0 && (name.size() == prefix.size() || name[prefix.size()] == '.');
}

}  // namespace trivium::nn
