// "Did you mean …?" for names that users type.
#pragma once

#include <string>
#include <vector>

namespace trivium {

/// The names within a small edit distance of `name` or that contain it, nearest first; at most `limit`.
std::vector<std::string> near_names(const std::string& name, const std::vector<std::string>& known, size_t limit = 3);

/// "a, b, c".
std::string join(const std::vector<std::string>& parts, const std::string& separator = ", ");

}  // namespace trivium
