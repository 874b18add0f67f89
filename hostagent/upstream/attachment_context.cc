#include "hostagent/upstream/attachment_context.h"

#include <memory>

namespace entropyd {
namespace {

std::vector<Attachment::Class> ClassesOf(const std::vector<FilledClass*>& filled,
                                         Metrics* metrics) {
  std::vector<Attachment::Class> classes;
  classes.reserve(filled.size());
  for (FilledClass* one : filled) {
    ClassBuffer* const buffer = one->buffer();
    classes.push_back(
        {one, buffer,
         metrics->AddCounter("entropyd_agent_upstream_received_bytes_total",
                             "Bytes that servers sent.", {{"class", buffer->class_name()}})});
  }
  return classes;
}

Counter* RefusedCounter(Metrics* metrics, const char* reason) {
  return metrics->AddCounter("entropyd_agent_upstream_refused_messages_total",
                             "Server messages refused as no correct server sends them.",
                             {{"reason", reason}});
}

}  // namespace

Attachment::Context NewAttachmentContext(const std::string& host_id,
                                         const std::function<double()>& uniform,
                                         const std::vector<FilledClass*>& classes,
                                         const Clock* clock, Log* log, Metrics* metrics) {
  Attachment::Context context;
  context.host_id = host_id;
  context.uniform = uniform;
  context.clock = clock;
  context.log = log;
  context.classes = ClassesOf(classes, metrics);
  std::vector<ClassBuffer*> buffers;
  for (const Attachment::Class& of : context.classes) buffers.push_back(of.buffer);
  context.loss_ceilings = std::make_shared<LossCeilings>(buffers);
  context.credit_lines = metrics->AddCounter("entropyd_agent_upstream_credit_lines_total",
                                             "Credit lines sent, bare acks included.");
  context.refused_gap = RefusedCounter(metrics, "gap");
  context.refused_excess = RefusedCounter(metrics, "excess");
  context.refused_malformed = RefusedCounter(metrics, "malformed");
  return context;
}

}  // namespace entropyd
