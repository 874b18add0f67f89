// One attachment with two classes, to a server that the test plays. The test moves the clock.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/process/nanos.h"
#include "gtest/gtest.h"
#include "hostagent/upstream/attachment.h"
#include "hostagent/upstream/attachment_context.h"
#include "tests/fake_log.h"
#include "tests/hostagent/fake_buffer.h"
#include "tests/hostagent/fake_filled_class.h"
#include "tests/hostagent/fake_server.h"

namespace entropyd {

class AttachmentRig : public testing::Test {
 protected:
  AttachmentRig()
      : context_(NewAttachmentContext(std::string(16, 'h'), uniform_, {&gold_class_, &bulk_class_},
                                      &clock_, &log_, &metrics_)) {}
  // A new stream, with which the server has done nothing yet.
  std::unique_ptr<Attachment> Dial() {
    return std::make_unique<Attachment>(&context_, "a:7743", net_.Dial("a:7743", [] {}).value());
  }
  // Handles all that the server has sent.
  static void Receive(Attachment* attachment) {
    while (attachment->Receive(1)) {
    }
  }

  ManualClock clock_{1'000 * kSecondNanos};
  FakeLog log_{&clock_};
  Metrics metrics_;
  FakeNet net_;
  std::function<double()> uniform_ = [] { return 0.5; };
  FakeBuffer gold_{"default/gold"};
  FakeBuffer bulk_{"default/bulk"};
  FakeFilledClass gold_class_{&gold_};
  FakeFilledClass bulk_class_{&bulk_};
  const Attachment::Context context_;
};

}  // namespace entropyd
