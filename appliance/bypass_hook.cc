// SPDX-License-Identifier: Apache-2.0
#include "appliance/bypass_hook.h"

#include <poll.h>
#include <signal.h>

#include <cstdio>

#include <fmt/format.h>

namespace weir {

namespace {

constexpr TimeNs kAgainAfterNs = kNsPerSecond;  // a failed call

}  // namespace

void BypassHook::start(const char* word, TimeNs now) {
  std::vector<std::string> words = command_.words;
  words.emplace_back(word);
  word_ = word;
  asked_ = wanted_;
  timed_out_ = false;
  told_.bypass_calls.add();
  auto child = Child::start(words, std::nullopt, ChildGroup::kOwn);
  if (!child) return failed(child.error().message, now);
  call_.emplace(std::move(*child));
  give_up_ns_ = now + command_.time_ns;
}

// Told once; it is tried again and again.
void BypassHook::failed(const std::string& how, TimeNs now) {
  again_ns_ = now + kAgainAfterNs;
  told_.bypass_failures.add();
  if (has_failed_) return;
  has_failed_ = true;
  fmt::print(stderr, "wire {}: the bypass command failed ({} {}: {}); it is tried again\n", wire_,
             command_.words[0], word_, how);
}

void BypassHook::reap(TimeNs now) {
  const std::string how = call_->reap();
  if (how.empty()) {
    if (now < give_up_ns_ || timed_out_) return;
    timed_out_ = true;
    call_->signal(SIGKILL);
    return;
  }
  call_.reset();
  if (timed_out_) return failed("not done in time, killed", now);
  if (how != "exit code 0") return failed(how, now);
  has_failed_ = false;
  is_ = asked_;
  told_.bypass_on.set(is_ == State::kOn ? 1 : 0);
}

void BypassHook::step(TimeNs now, bool moves) {
  if (call_) reap(now);
  if (call_ || now < again_ns_ || wanted_ == State::kUnknown) return;
  if (wanted_ != is_) {
    start(wanted_ == State::kOn ? "on" : "off", now);
  } else if (command_.beat_every_ns != 0 && wanted_ == State::kOff && moves &&
             now - beat_ns_ >= command_.beat_every_ns) {
    beat_ns_ = now;
    start("beat", now);
  }
}

void BypassHook::finish() {
  for (int calls = 0; calls < 2; ++calls) {
    if (!call_) {
      if (wanted_ == is_ || wanted_ == State::kUnknown) return;
      start(wanted_ == State::kOn ? "on" : "off", clock_ns(CLOCK_MONOTONIC));
    }
    while (call_) {
      pollfd watch{call_->fd(), POLLIN, 0};
      poll(&watch, 1, 10);
      reap(clock_ns(CLOCK_MONOTONIC));
    }
  }
}

}  // namespace weir
