// Naming parts of a network: dotted names such as "blocks.0.attn.qkv", and patterns of whole name parts in which * stands for any
// characters of a part ("attn.*", "blocks.1?", "qkv").
#pragma once

#include <string>
#include <vector>

namespace trivium::nn {

/// Whether the last parts of `name` match: "qkv" and "attn.qkv" name "blocks.0.attn.qkv", "v" does not.
bool names(const std::string& pattern, const std::string& name);

/// Whether some consecutive parts of `name` match: "norm1" and "blocks.0" cover "blocks.0.norm1.weight".
bool covers(const std::string& pattern, const std::string& name);

/// Whether `name` is `prefix` or lies under it: "blocks.1" holds "blocks.1.norm1.weight" and not "blocks.10.norm1.weight".
bool is_under(const std::string& prefix, const std::string& name);

std::vector<std::string> name_parts(const std::string& name);

}  // namespace trivium::nn
