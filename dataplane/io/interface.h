// SPDX-License-Identifier: Apache-2.0
// Interfaces of the kernel that carry a wire: their MTU, their link, up and down. System calls, so
// for main threads only. Used by io for its ports, and by `weir run` to leave them as they were.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/base/result.h"

namespace weir {

// MTU of a kernel interface; brings the interface up if it is down (a wire's ports are its own).
Result<uint32_t> prepare_interface(const std::string& name);

// The same as it is now, and nothing else; 0: there is none of that name.
uint32_t mtu_of(const std::string& name) noexcept;

// Interfaces are renamed while they are in use; their number stays. 0: there is none of that name.
// Empty: there is none of that number any more.
uint32_t interface_number(const std::string& name) noexcept;
std::string interface_name(uint32_t number);

// Whether it is up and has carrier, as it is now (the operstate that `ip link` shows may be up to a
// second late). An interface that is gone has none.
bool has_link(const std::string& name) noexcept;

// Frames that arrived there and that nobody got, since it was made: its receiver's ring was full.
// Of an interface that is gone nothing.
uint64_t frames_lost_at(const std::string& name) noexcept;

// Up or down as an administrator does it; both ends of a cable see it.
enum class InterfaceState : uint8_t { kDown, kUp };
Result<void> set_interface(const std::string& name, InterfaceState state);

}  // namespace weir
