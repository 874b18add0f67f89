#include "hostagent/guest/identification.h"

#include "gtest/gtest.h"

namespace entropyd {
namespace {

const GuestIdentity kWebDomain = {IdentitySource::kLibvirt, "web", "u", "default/bulk", ""};

// As it is in the process that takes over. Its peer's start_ticks are told by the peer.
Identification Crossed(const Identification& from) {
  handover::v1::Connection saved;
  from.Save(&saved);
  Identification to(saved.start_ticks());
  to.Restore(saved);
  return to;
}

TEST(IdentificationTest, AtFirstNobodyKnowsTheGuestAndNobodyWaitsForThat) {
  Identification who(42);
  EXPECT_EQ(who.identity().source, IdentitySource::kNone);
  EXPECT_EQ(who.start_ticks(), 42u);
  EXPECT_FALSE(who.held());
  EXPECT_FALSE(who.Release());
}

TEST(IdentificationTest, AHoldIsReleasedOnce) {
  Identification who(42);
  who.Hold();
  EXPECT_TRUE(who.held());
  who.Know(kWebDomain, 42);
  EXPECT_TRUE(who.held()) << "an answer alone releases nobody";
  EXPECT_TRUE(who.Release());
  EXPECT_FALSE(who.held());
  EXPECT_FALSE(who.Release());
}

TEST(IdentificationTest, WhatIsToldLastHolds) {
  Identification who(42);
  who.Know(kWebDomain, 43);
  EXPECT_EQ(who.identity(), kWebDomain);
  EXPECT_EQ(who.start_ticks(), 43u);
  const GuestIdentity other = {IdentitySource::kCgroup, "db", "", "", ""};
  who.Know(other, 0);
  EXPECT_EQ(who.identity(), other);
  EXPECT_EQ(who.start_ticks(), 43u) << "that process is gone, and another one may have its pid";
}

TEST(IdentificationTest, AllOfItCrossesAHandover) {
  Identification who(42);
  who.Hold();
  const Identification waiting = Crossed(who);
  EXPECT_TRUE(waiting.held());
  EXPECT_EQ(waiting.identity(), GuestIdentity());
  EXPECT_EQ(waiting.start_ticks(), 42u);
  who.Know(kWebDomain, 43);
  who.Release();
  const Identification known = Crossed(who);
  EXPECT_FALSE(known.held());
  EXPECT_EQ(known.identity(), kWebDomain);
  EXPECT_EQ(known.start_ticks(), 43u);
}

TEST(IdentificationTest, ASourceOfALaterVersionIsNobodysWord) {
  handover::v1::Connection saved;
  saved.mutable_identity()->set_source(static_cast<uint32_t>(IdentitySource::kSocket) + 1);
  saved.mutable_identity()->set_name("web");
  Identification who(0);
  who.Restore(saved);
  EXPECT_EQ(who.identity().source, IdentitySource::kNone);
  EXPECT_EQ(who.identity().name, "web");
}

}  // namespace
}  // namespace entropyd
