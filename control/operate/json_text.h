// SPDX-License-Identifier: Apache-2.0
// One line of JSON, written front to back into a buffer that is used again: what eve.json needs at
// some 100,000 records a second, with the keys in the order they were given. Text from the network
// may be anything; what is not UTF-8 becomes U+FFFD, so a line always parses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace weir::operate {

class JsonText {
 public:
  void clear() { out_.clear(); }
  std::string_view text() const { return out_; }

  void open(std::string_view key = {}) { begin(key, '{'); }
  void open_item() {  // an object in a list
    name({});
    out_ += '{';
  }
  void close() { out_ += '}'; }
  void open_document_list() { out_ += '['; }                // the whole document is a list
  void raw(std::string_view key, std::string_view value) {  // value: JSON already
    name(key);
    out_ += value;
  }
  void open_list(std::string_view key) { begin(key, '['); }
  void close_list() { out_ += ']'; }

  void field(std::string_view key, std::string_view value) {
    name(key);
    quote(value);
  }
  void field(std::string_view key, const char* value) { field(key, std::string_view(value)); }
  void field(std::string_view key, bool value) {
    name(key);
    out_ += value ? "true" : "false";
  }
  template <class Number>
  requires std::is_arithmetic_v<Number>
  void field(std::string_view key, Number value) {
    name(key);
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void null(std::string_view key) { raw(key, "null"); }
  void item(std::string_view value) {
    name({});
    quote(value);
  }
  void item(uint64_t value) {
    name({});
    fmt::format_to(std::back_inserter(out_), "{}", value);
  }
  void end_line() { out_ += '\n'; }

 private:
  void name(std::string_view key) {
    if (!out_.empty() && out_.back() != '{' && out_.back() != '[') out_ += ',';
    if (!key.empty()) {
      quote(key);
      out_ += ':';
    }
  }
  void begin(std::string_view key, char bracket) {
    if (!out_.empty()) name(key);
    out_ += bracket;
  }
  void quote(std::string_view text);

  std::string out_;
};

// "2026-01-31T13:37:00.123456+0000", as Suricata writes its times; always UTC.
std::string timestamp_text(int64_t time_ns);

}  // namespace weir::operate
