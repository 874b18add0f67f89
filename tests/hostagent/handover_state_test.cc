// What crosses a handover, layer by layer: sessions with half commands and half replies, then whole
// services with real sockets, the second of which takes the place of the first.
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "hostagent/guest/egd_session.h"
#include "hostagent/guest/primer.h"
#include "hostagent/guest_service.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/two_services.h"

namespace entropyd {
namespace {

using Bytes = std::vector<uint8_t>;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kSecond = 1'000'000'000;

// --- sessions ------------------------------------------------------------------------------------

// Grants all that is wanted and there, and answers.
Bytes Answer(EgdSession* session, ClassBuffer* buffer, size_t room = 1 << 16,
             std::vector<EgdSession::Reply>* replies = nullptr) {
  Bytes all;
  for (int i = 0; i < 4; ++i) {
    session->Grant(static_cast<uint32_t>(std::min<uint64_t>(session->Want(), buffer->level())));
    Bytes out(room);
    std::vector<int64_t> completed;
    auto take = [buffer](absl::Span<uint8_t> bytes) { return buffer->Take(bytes); };
    auto available = [buffer] { return buffer->level(); };
    out.resize(session->Fill(absl::MakeSpan(out), {take, available, true}, &completed, replies));
    session->Forfeit();
    all.insert(all.end(), out.begin(), out.end());
    if (replies != nullptr) break;
  }
  return all;
}

handover::v1::Session Saved(const EgdSession& session, const EgdSession::Unsent& unsent = {}) {
  handover::v1::Session saved;
  session.Save(unsent, 0, &saved);
  return saved;
}

TEST(HandoverSessionTest, EveryCommandIsAnsweredAlikeWhereverItIsCutInTwo) {
  const Bytes stream = {0x02, 9,    0x00, 0x03, 0,    8, 3,    'a', 'b',
                        'c',  0x01, 7,    0x04, 0x02, 0, 0x02, 255};
  FakeBuffer whole_buffer;
  whole_buffer.Fill(4'000);
  EgdSession whole(4711);
  ASSERT_EQ(whole.OnInput(stream, 0), EgdSession::Input::kOk);
  const Bytes expected = Answer(&whole, &whole_buffer);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FakeBuffer buffer;
    buffer.Fill(4'000);
    EgdSession before(4711);
    EgdSession after(4711);
    const absl::Span<const uint8_t> bytes = stream;
    ASSERT_EQ(before.OnInput(bytes.first(cut), 0), EgdSession::Input::kOk);
    ASSERT_TRUE(after.Restore(Saved(before), 0).ok());
    EXPECT_EQ(after.started(), cut > 0);
    ASSERT_EQ(after.OnInput(bytes.subspan(cut), 0), EgdSession::Input::kOk);
    EXPECT_EQ(Answer(&after, &buffer), expected) << "cut after " << cut;
    EXPECT_EQ(after.commands(), whole.commands());
    EXPECT_EQ(after.taken(), whole.taken());
  }
}

TEST(HandoverSessionTest, WhatIsOwedCrossesAndKeepsItsAge) {
  EgdSession before(1);
  before.OnInput(Bytes{0x02, 64, 0x02, 255}, 1'000);
  before.OnInput(Bytes{0x01, 7}, 2'000);
  handover::v1::Session saved;
  before.Save({}, 5'000, &saved);
  EgdSession after(1);
  ASSERT_TRUE(after.Restore(saved, 100'000).ok());
  EXPECT_EQ(after.owed(), 319u);
  handover::v1::Session again;
  after.Save({}, 100'000, &again);
  EXPECT_EQ(again.DebugString(), saved.DebugString());
}

// Whatever part of the replies the socket took, the peer gets whole replies in order; bytes that it
// had not got come anew.
TEST(HandoverSessionTest, RepliesCutAtEveryByteAreContinued) {
  const Bytes stream = {0x01, 5, 0x00, 0x02, 9, 0x04, 0x01, 0, 0x01, 3, 0x02, 4};
  const size_t total = 6 + 4 + 9 + 5 + 1 + 4 + 4;
  for (size_t sent = 0;; ++sent) {
    FakeBuffer buffer;
    buffer.Fill(1'000);
    EgdSession before(4711);
    before.OnInput(stream, 0);
    std::vector<EgdSession::Reply> replies;
    const Bytes staged = Answer(&before, &buffer, 1 << 16, &replies);
    if (sent > staged.size()) break;  // the rest is still owed
    EgdSession::Unsent unsent;
    unsent.replies = replies;
    unsent.bytes = absl::Span<const uint8_t>(staged).subspan(sent);
    size_t skip = sent;
    while (!unsent.replies.empty() && skip >= unsent.replies.front().bytes) {
      skip -= unsent.replies.front().bytes;
      unsent.replies.remove_prefix(1);
    }
    unsent.sent_of_first = static_cast<uint32_t>(skip);
    EgdSession after(4711);
    ASSERT_TRUE(after.Restore(Saved(before, unsent), 0).ok()) << sent;
    const Bytes rest = Answer(&after, &buffer);
    ASSERT_EQ(rest.size(), total - sent) << "cut after " << sent;
    EXPECT_TRUE(after.idle());
    // Framing is as it was; only entropy bytes differ.
    Bytes seen(staged.begin(), staged.begin() + static_cast<ptrdiff_t>(sent));
    seen.insert(seen.end(), rest.begin(), rest.end());
    EXPECT_EQ(seen[0], 5);
    for (size_t at : {0, 19, 20, 21, 22, 23, 24, 25}) {
      EXPECT_EQ(seen[at], staged[at]) << "byte " << at << ", cut after " << sent;
    }
  }
}

TEST(HandoverSessionTest, AReplyCutTwiceIsStillContinued) {
  FakeBuffer buffer;
  EgdSession first(123456);
  first.OnInput(Bytes{0x04}, 0);
  std::vector<EgdSession::Reply> replies;
  Bytes staged = Answer(&first, &buffer, 256, &replies);
  ASSERT_EQ(staged.size(), 7u);
  EgdSession second(99);
  ASSERT_TRUE(
      second.Restore(Saved(first, {replies, 2, absl::MakeSpan(staged).subspan(2)}), 0).ok());
  replies.clear();
  Bytes rest = Answer(&second, &buffer, 256, &replies);
  ASSERT_EQ(rest, Bytes({'2', '3', '4', '5', '6'}));
  EgdSession third(7);
  ASSERT_TRUE(third.Restore(Saved(second, {replies, 1, absl::MakeSpan(rest).subspan(1)}), 0).ok());
  EXPECT_EQ(Answer(&third, &buffer), Bytes({'3', '4', '5', '6'}));
}

TEST(HandoverSessionTest, AFullQueueCrossesAndTakesAsMuchAgain) {
  EgdSession before(1);
  Bytes alternating;
  for (size_t i = 0; i < EgdSession::kMaxRuns / 2; ++i)
    alternating.insert(alternating.end(), {0x01, 1, 0x02, 1});
  ASSERT_EQ(before.OnInput(alternating, 0), EgdSession::Input::kOk);
  EgdSession after(1);
  ASSERT_TRUE(after.Restore(Saved(before), 0).ok());
  EXPECT_EQ(after.OnInput(Bytes{0x01, 1, 0x02, 1}, 0), EgdSession::Input::kOk);
}

TEST(HandoverSessionTest, WhatNoSessionSavesIsRefused) {
  const handover::v1::Session good = Saved(EgdSession(1));
  const auto refused = [&good](auto change) {
    handover::v1::Session bad = good;
    change(&bad);
    EgdSession session(1);
    return absl::IsInvalidArgument(session.Restore(bad, 0));
  };
  EXPECT_TRUE(EgdSession(1).Restore(good, 0).ok());
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command("\x07"); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command(std::string("\x03\0\0\0", 4)); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_half_command("\x02"), s->set_skip(3); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_skip(256); }));
  EXPECT_TRUE(refused([](auto* s) { s->set_literal(std::string(21, 'x')); }));
  EXPECT_TRUE(refused([](auto* s) { s->clear_commands(); }));
  const auto run = [](uint32_t type, uint32_t each, uint64_t bytes, uint32_t count) {
    return [=](handover::v1::Session* s) {
      handover::v1::Run* r = s->add_run();
      r->set_type(type), r->set_each(each), r->set_bytes(bytes), r->set_count(count);
    };
  };
  EXPECT_TRUE(refused(run(3, 0, 0, 1)));
  EXPECT_TRUE(refused(run(258, 0, 0, 1)));
  EXPECT_TRUE(refused(run(2, 0, 1, 0)));
  EXPECT_TRUE(refused(run(2, 0, ~uint64_t{0}, 1)));
  EXPECT_TRUE(refused(run(1, 256, 0, 1)));
  EXPECT_TRUE(refused(run(1, 1, 5, 1)));
}

// --- primers -------------------------------------------------------------------------------------

TEST(HandoverPrimerTest, APrimerGoesOnWhereItWas) {
  Primer before(true);
  before.OnPushed(64, kSecond);
  handover::v1::Primer saved;
  before.Save(0, kSecond, &saved);
  Primer after(false);
  after.Restore(saved, 100 * kSecond);
  EXPECT_EQ(after.next_check_nanos(), 100 * kSecond + Primer::kFirstCheckNanos);
  after.OnCheck(true, 101 * kSecond);
  EXPECT_EQ(after.want(), 128u);
}

TEST(HandoverPrimerTest, WhatTheSocketRefusedIsPushedAgain) {
  Primer before(true);
  before.OnPushed(64, kSecond);
  handover::v1::Primer saved;
  before.Save(10, kSecond, &saved);
  Primer after(false);
  after.Restore(saved, kSecond);
  EXPECT_EQ(after.want(), 10u);
  EXPECT_EQ(after.next_check_nanos(), Primer::kNever);
}

TEST(HandoverPrimerTest, NonsenseMakesAnInactivePrimer) {
  handover::v1::Primer saved;
  saved.set_step(1 << 20);
  Primer after(true);
  after.Restore(saved, 0);
  EXPECT_FALSE(after.active());
  EXPECT_EQ(after.want(), 0u);
}

// --- services ------------------------------------------------------------------------------------

class HandoverServiceTest : public TwoServicesTest {};

TEST_F(HandoverServiceTest, AWaitingGuestIsAnsweredByTheSuccessor) {
  Client waiting = Connect({0x02, 64, 0x02});
  Client idle = Connect();
  Move();
  waiting.Send({10, 0x00});
  idle.Send({0x02, 5});
  Turn(&new_);
  EXPECT_EQ(new_.buffer().owed(), 79u);
  Arrive(&new_, 200);
  EXPECT_EQ(waiting.Receive().size(), 64u + 10 + 4);
  EXPECT_EQ(idle.Receive().size(), 5u);
  EXPECT_EQ(new_.service->guests(), 2u);
}

TEST_F(HandoverServiceTest, ASavedServiceServesOnAsIfNothingHadHappened) {
  Client client = Connect({0x02, 64, 0x02});
  const Cargo cargo = Save();
  EXPECT_EQ(cargo.connections.size(), 1u);
  client.Send({6});
  Arrive(&old_, 1'000);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 70));
}

TEST_F(HandoverServiceTest, IdentityAndAccountsCross) {
  Arrive(&old_, 1'000);
  Client client = Connect({0x02, 64, 0x04});
  client.Receive();
  Turn(&old_, 5 * kSecond);
  v1::ListGuestsResponse before, after;
  old_.service->FillGuests(&before);
  Move();
  new_.service->FillGuests(&after);
  ASSERT_EQ(after.guest_size(), 1);
  EXPECT_EQ(after.guest(0).DebugString(), before.guest(0).DebugString());
  v1::GetStatusResponse status;
  new_.service->FillStatus(&status);
  EXPECT_EQ(status.class_(0).delivered(), 64u);
  EXPECT_EQ(status.class_(0).requests(), 2u);
  EXPECT_EQ(status.listener(0).connections(), 1u);
}

TEST_F(HandoverServiceTest, M13_NoByteOfTheBuffersIsInWhatCrosses) {
  Arrive(&old_, 1'000'000);
  Client stalled = Connect();
  Bytes requests;
  for (int i = 0; i < 2'000; ++i) requests.insert(requests.end(), {0x02, 255, 0x01, 31});
  stalled.Send(requests);
  for (int i = 0; i < 4; ++i) Turn(&old_);
  ASSERT_TRUE(old_.service->undelivered());
  ASSERT_GT(old_.arena->used_bytes(), ClassBuffer::kMinTarget);
  const uint64_t taken = old_.counters().delivered_bytes.Get();
  const Cargo cargo = Save();
  std::string crossed = cargo.numbers.SerializeAsString();
  for (const auto& batch : cargo.connections) crossed += batch.SerializeAsString();
  // Neither what lies in the staging remainders nor what is still in the buffer, in any 4 bytes.
  const Bytes stream = StreamBytes(0, taken + 4'096);
  std::vector<std::string> fours;
  for (size_t i = 0; i + 4 <= stream.size(); ++i)
    fours.emplace_back(stream.begin() + ptrdiff_t(i), stream.begin() + ptrdiff_t(i) + 4);
  std::sort(fours.begin(), fours.end());
  for (size_t i = 0; i + 4 <= crossed.size(); ++i) {
    EXPECT_FALSE(std::binary_search(fours.begin(), fours.end(), crossed.substr(i, 4))) << i;
  }
}

TEST_F(HandoverServiceTest, AStalledReaderGetsEveryReplyWholeAndInOrder) {
  Arrive(&old_, 2'000'000);
  Client stalled = Connect();
  Bytes requests;
  for (int i = 0; i < 3'000; ++i) {
    requests.insert(requests.end(), {0x02, 200, 0x01, 99, 0x01, 0});
  }
  stalled.Send(requests);
  for (int i = 0; i < 8; ++i) Turn(&old_);
  Bytes seen = stalled.Receive(10'007);  // in the middle of a reply
  Turn(&old_);
  ASSERT_TRUE(old_.service->undelivered());
  Move();
  for (int i = 0; i < 2'000; ++i) {
    if (new_.buffer().level() < 100'000) Arrive(&new_, 1'000'000, /*first=*/5'000'000);
    const Bytes part = stalled.Receive();
    seen.insert(seen.end(), part.begin(), part.end());
    Turn(&new_);
  }
  EXPECT_EQ(new_.counters().requests[1].Get(), 6'000u);
  EXPECT_EQ(new_.counters().requests[2].Get(), 3'000u);
  EXPECT_EQ(new_.counters().owed_bytes.Get(), 0u);
  size_t at = 0;
  for (int i = 0; i < 3'000; ++i) {
    at += 200;
    ASSERT_LT(at, seen.size()) << "reply " << i;
    ASSERT_LE(seen[at], 99);  // may be less than asked for, and is told
    at += size_t{1} + seen[at];
    ASSERT_LT(at, seen.size());
    ASSERT_EQ(seen[at], 0);
    at += 1;
  }
  EXPECT_EQ(at, seen.size());
}

TEST_F(HandoverServiceTest, NobodyIsReadOrWrittenBeforeTheLoopTurns) {
  Client client = Connect();
  const Cargo cargo = Save();
  client.Send({0x02, 8});
  Fill(&new_, 100);
  Adopt(cargo);
  EXPECT_THAT(client.Receive(), IsEmpty());
  EXPECT_EQ(new_.counters().requests[2].Get(), 0u);
  new_.service.reset();  // the successor dies here
  Arrive(&old_, 100);
  EXPECT_EQ(client.Receive(), StreamBytes(0, 8));
}

TEST_F(HandoverServiceTest, ASuccessorThatFailsRemovesNoSocketFile) {
  Adopt(Save());
  new_.service.reset();
  EXPECT_EQ(access(settings_.listeners[0].path.c_str(), F_OK), 0);
  Move();
  EXPECT_EQ(access(settings_.listeners[0].path.c_str(), F_OK), 0);
  new_.service->StopListening();
  EXPECT_NE(access(settings_.listeners[0].path.c_str(), F_OK), 0);
}

TEST_F(HandoverServiceTest, TheListenersBacklogIsServedByTheSuccessor) {
  Client late = Dial(settings_.listeners[0].path);
  late.Send({0x02, 8});
  Move();
  Arrive(&new_, 100);
  Turn(&new_);
  Turn(&new_);
  EXPECT_EQ(late.Receive().size(), 8u);
}

TEST_F(HandoverServiceTest, AGuestOfAListenerThatTheNewConfigurationLacksIsAReasonToRefuse) {
  Client client = Connect({}, kQemu);
  Cargo cargo = Save();
  settings_.listeners.pop_back();
  Make(&new_);
  const absl::Status status = TryAdopt(cargo);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), testing::HasSubstr("keep the listener until its guests have gone"));
  new_.service.reset();
  EXPECT_EQ(access((dir_ / "1.sock").c_str(), F_OK), 0) << "it is the old one's";
}

TEST_F(HandoverServiceTest, AListenerThatTheNewConfigurationLacksIsClosedWhenNobodyCameInByIt) {
  Client client = Connect(Bytes{0x02, 8});
  Cargo cargo = Save();
  settings_.listeners.pop_back();
  Make(&new_);
  Adopt(cargo);
  EXPECT_EQ(access((dir_ / "1.sock").c_str(), F_OK), 0) << "not before the handover is final";
  Commit();
  EXPECT_NE(access((dir_ / "1.sock").c_str(), F_OK), 0);
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 8u);
}

TEST_F(HandoverServiceTest, ModesAreThoseOfTheNewConfiguration) {
  settings_.listeners[0].mode = 0640;
  Make(&new_);
  Move();
  struct stat found;
  ASSERT_EQ(stat((dir_ / "0.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0640u);
}

// A socket that the process manager has made, under the path of the first listener.
UniqueFd Bind(const std::string& path) {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  EXPECT_EQ(listen(fd.get(), 10), 0);
  return fd;
}

TEST_F(HandoverServiceTest, AnInheritedSocketServesAndItsFileStaysTheManagersAlsoWithSuccessors) {
  Make(&old_);
  std::vector<UniqueFd> inherited;
  inherited.push_back(Bind(dir_ / "0.sock"));
  ASSERT_EQ(chmod((dir_ / "0.sock").c_str(), 0666), 0);
  ASSERT_TRUE(old_.service->Inherit(std::move(inherited)).ok());
  ASSERT_TRUE(old_.service->Listen().ok());
  Client client = Dial(dir_ / "0.sock");
  client.Send({0x02, 8});
  Turn(&old_);
  Turn(&old_);
  Arrive(&old_, 100);
  EXPECT_EQ(client.Receive().size(), 8u);
  Move();
  client.Send({0x02, 8});
  Arrive(&new_, 100);
  Turn(&new_);
  EXPECT_EQ(client.Receive().size(), 8u);
  struct stat found;
  ASSERT_EQ(stat((dir_ / "0.sock").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0666u);
  new_.service.reset();
  EXPECT_EQ(access((dir_ / "0.sock").c_str(), F_OK), 0);
  EXPECT_NE(access((dir_ / "1.sock").c_str(), F_OK), 0);
}

TEST_F(HandoverServiceTest, AnInheritedSocketThatNoListenerHasIsNamed) {
  Make(&old_);
  std::vector<UniqueFd> inherited;
  inherited.push_back(Bind(dir_ / "stray.sock"));
  const absl::Status status = old_.service->Inherit(std::move(inherited));
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), testing::HasSubstr("stray.sock"));
}

TEST_F(HandoverServiceTest, AListenerThatOnlyTheNewConfigurationHasIsOpened) {
  settings_.listeners.push_back(settings_.listeners[0]);
  settings_.listeners.back().path = dir_ / "more.sock";
  Make(&new_);
  Move();
  EXPECT_EQ(access((dir_ / "more.sock").c_str(), F_OK), 0);
}

TEST_F(HandoverServiceTest, APrimedQemuIsPrimedOn) {
  Arrive(&old_, 100);
  Client qemu = Connect({}, kQemu);
  EXPECT_EQ(qemu.Receive().size(), 64u);
  Move();
  Fill(&new_, 1'000);
  Turn(&new_, kSecond);
  EXPECT_EQ(qemu.Receive().size(), 128u);
}

TEST_F(HandoverServiceTest, AHalfClosedPeerGetsTheRestAndIsClosed) {
  Client client = Connect({0x02, 20});
  client.FinishSending();
  Turn(&old_);
  Move();
  Arrive(&new_, 100);
  EXPECT_EQ(client.Receive().size(), 20u);
  Turn(&new_, kSecond / 10);
  EXPECT_TRUE(client.Closed());
}

TEST_F(HandoverServiceTest, ThePeerThatHungUpMeanwhileIsNoticed) {
  Client client = Connect({0x02, 20});
  Adopt(Save());
  client.Hangup();
  Commit();
  Turn(&new_);
  EXPECT_EQ(new_.service->guests(), 0u);
}

TEST_F(HandoverServiceTest, TwoThousandConnectionsCross) {
  std::vector<Client> clients;
  for (int i = 0; i < 2'000; ++i) clients.push_back(Connect({0x02}));
  const Cargo cargo = Save();
  EXPECT_EQ(cargo.connections.size(), 10u);
  Adopt(cargo);
  Commit();
  Fill(&new_, 100'000);
  for (Client& client : clients) client.Send({8});
  for (int i = 0; i < 100; ++i) Turn(&new_);
  for (Client& client : clients) ASSERT_EQ(client.Receive().size(), 8u);
}

TEST_F(HandoverServiceTest, BuffersAreFilledBeforeTheGuestsCome) {
  Client client = Connect({0x02, 255});
  handover::v1::Offer offer;
  old_.service->SaveDemand(&offer);
  ASSERT_EQ(offer.class__size(), 1);
  EXPECT_EQ(offer.class_(0).guests(), 1u);
  EXPECT_GE(offer.class_(0).target(), ClassBuffer::kMinTarget);
  EXPECT_TRUE(new_.service->Filled());
  new_.service->Expect(offer);
  EXPECT_FALSE(new_.service->Filled());
  Turn(&new_);
  EXPECT_EQ(new_.buffer().guests(), 1u);
  EXPECT_GE(new_.buffer().WantMore(0), ClassBuffer::kMinTarget);
  Arrive(&new_, ClassBuffer::kMinTarget);
  EXPECT_TRUE(new_.service->Filled());
  Move();
  Turn(&new_);
  EXPECT_EQ(new_.buffer().guests(), 1u);
  EXPECT_EQ(new_.buffer().owed(), 0u);
}

}  // namespace
}  // namespace entropyd
