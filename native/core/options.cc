#include "core/options.h"

#include <cmath>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/suggest.h"

namespace trivium {
namespace {

std::string shown(const OptionValue& value) {
  std::ostringstream text;
  if (const auto* flag = std::get_if<bool>(&value)) {
    text << (*flag ? "true" : "false");
  } else if (const auto* number = std::get_if<double>(&value)) {
    text << *number;
  } else if (const auto* word = std::get_if<std::string>(&value)) {
    text << '"' << *word << '"';
  } else {
    text << '[';
    const auto& list = std::get<std::vector<double>>(value);
    for (size_t i = 0; i < list.size(); ++i) text << (i > 0 ? ", " : "") << list[i];
    text << ']';
  }
  return text.str();
}

[[noreturn]] void fail_type(const std::string& owner, const std::string& key, const char* expected, const OptionValue& value) {
  throw error(ErrorKind::Config, owner, ": expected ", expected, " for ", key, " but got ", shown(value));
}

[[noreturn]] void fail_missing(const std::string& owner, const std::string& key, const char* expected) {
  throw error(ErrorKind::Config, owner, ": expected ", expected, " for ", key, " but it is not set");
}

int64_t to_integer(const std::string& owner, const std::string& key, const OptionValue& value) {
  const auto* number = std::get_if<double>(&value);
  // 2^53: past it a double no longer tells neighbouring integers apart.
  if (number == nullptr || std::trunc(*number) != *number || std::abs(*number) > 9007199254740992.0) {
    fail_type(owner, key, "a whole number", value);
  }
  return static_cast<int64_t>(*number);
}

}  // namespace

Options::Options(std::string owner, std::map<std::string, OptionValue> values)
    : owner_(std::move(owner)), values_(std::move(values)), asked_(std::make_shared<std::set<std::string>>()) {}

bool Options::has(const std::string& key) const { return values_.contains(key); }

const OptionValue* Options::find(const std::string& key) const {
  asked_->insert(key);
  const auto entry = values_.find(key);
  return entry == values_.end() ? nullptr : &entry->second;
}

bool Options::boolean(const std::string& key, bool fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  fail_type(owner_, key, "true or false", *value);
}

double Options::number(const std::string& key) const {
  const auto* value = find(key);
  if (value == nullptr) fail_missing(owner_, key, "a number");
  if (const auto* number = std::get_if<double>(value)) return *number;
  fail_type(owner_, key, "a number", *value);
}

double Options::number(const std::string& key, double fallback) const { return has(key) ? number(key) : (find(key), fallback); }

int64_t Options::integer(const std::string& key) const {
  const auto* value = find(key);
  if (value == nullptr) fail_missing(owner_, key, "a whole number");
  return to_integer(owner_, key, *value);
}

int64_t Options::integer(const std::string& key, int64_t fallback) const {
  const auto* value = find(key);
  return value == nullptr ? fallback : to_integer(owner_, key, *value);
}

std::string Options::string(const std::string& key, const std::string& fallback) const {
  const auto* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* word = std::get_if<std::string>(value)) return *word;
  fail_type(owner_, key, "a text", *value);
}

std::vector<double> Options::numbers(const std::string& key) const {
  const auto* value = find(key);
  if (value == nullptr) fail_missing(owner_, key, "a list of numbers");
  if (const auto* list = std::get_if<std::vector<double>>(value)) return *list;
  fail_type(owner_, key, "a list of numbers", *value);
}

std::vector<double> Options::numbers(const std::string& key, const std::vector<double>& fallback) const {
  return has(key) ? numbers(key) : (find(key), fallback);
}

Options Options::part(std::string owner, const std::set<std::string>& except, const std::map<std::string, OptionValue>& added) const {
  auto values = added;
  for (const auto& [key, value] : values_) {
    if (!except.contains(key)) values.emplace(key, value);
  }
  Options made(std::move(owner), std::move(values));
  made.asked_ = asked_;
  return made;
}

void Options::expect_all_used() const {
  std::vector<std::string> unused;
  for (const auto& [key, value] : values_) {
    if (!asked_->contains(key)) unused.push_back(key);
  }
  if (unused.empty()) return;
  const std::vector<std::string> known(asked_->begin(), asked_->end());
  const auto near = near_names(unused.front(), known, 1);
  throw error(ErrorKind::Config, owner_, ": unknown option", unused.size() > 1 ? "s " : " ", join(unused), ". ",
              near.empty() ? "" : "Did you mean \"" + near.front() + "\"? ",
              known.empty() ? "It takes no options." : "It takes: " + join(known) + ".");
}

}  // namespace trivium
