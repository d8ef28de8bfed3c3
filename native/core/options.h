// Named options as they arrive from TypeScript, read once by the thing they configure. A key that nobody read is an error:
// no option is accepted and ignored.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

namespace trivium {

using OptionValue = std::variant<bool, double, std::string, std::vector<double>>;

class Options {
 public:
  /// `owner` names the thing being configured in messages, e.g. "random_crop" or "resnet18".
  Options(std::string owner, std::map<std::string, OptionValue> values);

  const std::string& owner() const { return owner_; }
  bool has(const std::string& key) const;

  // The forms without a fallback throw ConfigError when the key is missing; all throw when the type is wrong.
  bool boolean(const std::string& key, bool fallback) const;
  double number(const std::string& key) const;
  double number(const std::string& key, double fallback) const;
  int64_t integer(const std::string& key) const;
  int64_t integer(const std::string& key, int64_t fallback) const;
  std::string string(const std::string& key, const std::string& fallback) const;
  std::vector<double> numbers(const std::string& key) const;
  std::vector<double> numbers(const std::string& key, const std::vector<double>& fallback) const;

  /// The values for a part of the thing: those of this without the keys `except`, and with `added`, which win. What is read of it counts as
  /// read of this.
  Options part(std::string owner, const std::set<std::string>& except, const std::map<std::string, OptionValue>& added) const;

  /// Throws ConfigError naming every key that was given but never read, and the keys that were asked for.
  void expect_all_used() const;

 private:
  const OptionValue* find(const std::string& key) const;
  std::string owner_;
  std::map<std::string, OptionValue> values_;
  std::shared_ptr<std::set<std::string>> asked_;  // shared with parts
};

}  // namespace trivium
