// SPDX-License-Identifier: Apache-2.0
// Community ID v1 (https://github.com/corelight/community-id-spec): a hash of a flow's ends that
// every tool computes alike, so that one can be looked up in another's logs. Seed 0.
#pragma once

#include <memory>
#include <string>

#include "dataplane/contract/event_record.h"

namespace weir::operate {

class CommunityId {
 public:
  CommunityId();
  ~CommunityId();
  CommunityId(const CommunityId&) = delete;
  CommunityId& operator=(const CommunityId&) = delete;

  // "1:" and 28 characters. The same for both directions of a flow.
  std::string of(const Endpoints& ends);

 private:
  struct Digest;  // libcrypto's
  std::unique_ptr<Digest> digest_;
};

}  // namespace weir::operate
