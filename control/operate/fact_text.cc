// SPDX-License-Identifier: Apache-2.0
#include "control/operate/fact_text.h"

#include <algorithm>
#include <ctime>

#include "dataplane/base/ip_address.h"

namespace weir::operate {

namespace {

// The path up to and with its first list: facts that agree in it stand in one list.
std::string_view list_of(std::string_view path) {
  const size_t at = path.find("[]");
  return at == std::string_view::npos ? std::string_view() : path.substr(0, at + 2);
}

std::string hex_text(std::span<const uint8_t> bytes, std::string_view between) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); ++i) {
    fmt::format_to(std::back_inserter(text), "{}{:02x}", i == 0 ? std::string_view() : between,
                   bytes[i]);
  }
  return text;
}

// Of any year: certificates are good until 9999.
std::string time_text(int64_t unix_seconds) {
  const time_t seconds = unix_seconds;
  tm parts{};
  if (gmtime_r(&seconds, &parts) == nullptr) return {};
  char text[32];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts)};
}

// The objects and lists that are open below the event's object.
class Path {
 public:
  explicit Path(JsonText& json) : json_(json) {}

  // Opens and closes so that a member or item of `path` can follow; returns its key, empty for an
  // item of a list. fresh: an object of the path's last list is to begin.
  std::string_view go(std::string_view path, bool fresh) {
    const size_t dot = path.rfind('.');
    std::string_view parent =
        dot == std::string_view::npos ? std::string_view() : path.substr(0, dot);
    std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
    if (key.ends_with("[]")) {  // a list's item: the list itself is the parent
      parent = path;
      key = {};
    }
    close_to(parent, fresh);
    open_to(parent, fresh);
    return key;
  }
  void finish() {
    while (!open_.empty()) close_last();
  }

 private:
  struct Open {
    std::string_view path;
    enum class What { kObject, kList, kItemObject } what;
  };
  void close_last() {
    if (open_.back().what == Open::What::kList) {
      json_.close_list();
    } else {
      json_.close();
    }
    open_.pop_back();
  }
  static bool is_within(std::string_view inner, std::string_view outer) {
    return inner == outer || (inner.starts_with(outer) && inner[outer.size()] == '.');
  }
  void close_to(std::string_view parent, bool fresh) {
    while (!open_.empty()) {
      const Open& o = open_.back();
      const bool item_ends = fresh && o.what == Open::What::kItemObject && o.path == parent;
      if (is_within(parent, o.path) && !item_ends) return;
      close_last();
    }
  }
  void open_to(std::string_view parent, bool fresh) {
    size_t at = open_.empty() ? 0 : open_.back().path.size();
    while (at < parent.size()) {
      const size_t from = at == 0 ? 0 : at + 1;
      at = std::min(parent.find('.', from), parent.size());
      std::string_view name = parent.substr(from, at - from);
      const std::string_view path = parent.substr(0, at);
      if (!name.ends_with("[]")) {
        json_.open(name);
        open_.push_back({path, Open::What::kObject});
        continue;
      }
      name.remove_suffix(2);
      json_.open_list(name);
      open_.push_back({path, Open::What::kList});
      if (at < parent.size()) open_item(path);  // an object is there though nobody began it
    }
    const bool in_list = !open_.empty() && open_.back().what == Open::What::kList;
    if (fresh && in_list) open_item(open_.back().path);
  }
  void open_item(std::string_view path) {
    json_.open_item();
    open_.push_back({path, Open::What::kItemObject});
  }

  JsonText& json_;
  std::vector<Open> open_;
};

void write_value(JsonText& json, std::string_view key, FactType type, const FactValue& v) {
  switch (type) {
    case FactType::kText:
      return key.empty() ? json.item(v.text()) : json.field(key, v.text());
    case FactType::kHex:
      return key.empty() ? json.item(hex_text(v.bytes, ""))
                         : json.field(key, hex_text(v.bytes, ""));
    case FactType::kHexColon:
      return key.empty() ? json.item(hex_text(v.bytes, ":"))
                         : json.field(key, hex_text(v.bytes, ":"));
    case FactType::kNumber:
      return key.empty() ? json.item(v.number()) : json.field(key, v.number());
    case FactType::kSigned:
      return json.field(key, static_cast<int64_t>(v.number()));
    case FactType::kBool:
      return json.field(key, v.number() != 0);
    case FactType::kTime: {
      const std::string text = time_text(static_cast<int64_t>(v.number()));
      return key.empty() ? json.item(text) : json.field(key, std::string_view(text));
    }
    case FactType::kAddress: {
      IpAddress a;
      std::memcpy(a.bytes.data(), v.bytes.data(), std::min<size_t>(v.bytes.size(), 16));
      return key.empty() ? json.item(to_string(a))
                         : json.field(key, std::string_view(to_string(a)));
    }
    case FactType::kItem:
      return;
  }
}

}  // namespace

FactText::FactText() : rank_(kFacts) {
  for (uint32_t i = 0; i < kFacts; ++i) {
    rank_[i] = i;
    const FactInfo& info = fact_info(static_cast<Fact>(i));
    const std::string_view list = list_of(info.path);
    if (list.empty()) continue;
    for (uint32_t j = 0; j < i; ++j) {
      const FactInfo& earlier = fact_info(static_cast<Fact>(j));
      if (earlier.scope != info.scope || list_of(earlier.path) != list) continue;
      rank_[i] = j;
      break;
    }
  }
}

void FactText::write_some(JsonText& json, bool beside) const {
  Path path(json);
  for (const Placed& p : placed_) {
    const FactInfo& info = fact_info(p.value.fact);
    if (info.path.starts_with('/') != beside) continue;
    const bool item = info.type == FactType::kItem;
    const std::string_view key = path.go(info.path.substr(beside ? 1 : 0), item);
    if (item) continue;
    write_value(json, key, info.type, p.value);
  }
  path.finish();
}

void FactText::write_beside(JsonText& json) const {
  write_some(json, true);
}

bool FactText::write(JsonText& json, const Evidence& e) {
  placed_.clear();
  bool cut = e.overflow;
  each_fact(e.facts, [&](const FactValue& v) {
    placed_.push_back({rank_[static_cast<unsigned>(v.fact)], v});
    cut = cut || v.cut;
  });
  std::stable_sort(placed_.begin(), placed_.end(),
                   [](const Placed& a, const Placed& b) { return a.rank < b.rank; });
  write_some(json, false);
  return cut;
}

}  // namespace weir::operate
