// Batches of labelled sequences for a contiguous range of lanes, read ahead by a thread. What a lane holds depends on
// the plan, the pass's order and the lane alone, never on how the lanes are split over readers. Memory: a few batches,
// and the order, whatever the corpus's size.
//
//   SequenceBatchReader reader(corpus.open_split("train"), plan, {0, 8}, {.step_order = permutation});
//   reader.restart(0, random_permutation(plan.sequences(), seed, pass, Purpose::shuffle));   // a pass, shuffled
//   while (const SequenceBatch* batch = reader.next()) step(*batch);
//   reader.restart(0);   // the next pass in the same order; any other batch to resume there
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "corpus/sequence_reader.h"
#include "data/read_ahead.h"
#include "plan/sequence_batches.h"
#include "plan/shard_range.h"

namespace trellis {

struct SequenceBatch {
  std::int64_t index = 0;                 // of the batch in its pass
  std::int64_t lanes = 0, all_lanes = 0;  // with a sequence in them: of this reader, perhaps none; of all readers
  std::int64_t steps = 0, channels = 0;
  std::vector<std::uint8_t> pixels;  // [steps, lanes, channels], time-major, as stored: not yet normalised
  std::vector<std::int64_t> labels;  // [lanes]
};

class SequenceBatchReader {
 public:
  struct Options {
    int batches_ahead = 3;  // >= 1
    // Step t of a batch is step step_order[t] as stored; a permutation of all steps. None: as stored.
    std::optional<std::vector<std::int64_t>> step_order{};
  };

  // lanes: global lanes [begin, end) of the plan, perhaps none. The plan must have been made for this split, or for as many of its first sequences as one likes. Begins
  // with batch 0, sequences in the order in which they are stored.
  SequenceBatchReader(std::shared_ptr<const SequenceReader> sequences, SequenceBatches plan, Range lanes,
                      Options options);
  SequenceBatchReader(std::shared_ptr<const SequenceReader> sequences, SequenceBatches plan, Range lanes)
      : SequenceBatchReader(std::move(sequences), plan, lanes, Options{}) {}
  SequenceBatchReader(const SequenceBatchReader&) = delete;
  SequenceBatchReader& operator=(const SequenceBatchReader&) = delete;

  // The next batch, or nullptr at the pass's end. It stays valid until the next call of next() or restart(). Rethrows
  // what reading met (DataError), at the batch where it met it and at every call after.
  const SequenceBatch* next() { return ahead_.next(); }

  // Goes to batch `batch` of a pass in the same order, 0 <= batch <= plan.batches(), at no cost that grows with it.
  void restart(std::int64_t batch) { ahead_.restart(batch); }
  // The same in another order: place p of the pass holds sequence order[p], a permutation of all sequences.
  void restart(std::int64_t batch, std::vector<std::int64_t> order);

  const SequenceBatches& plan() const { return plan_; }
  Range lanes() const { return lanes_; }

 private:
  void fill(SequenceBatch& batch, std::int64_t index);
  void read_places(Range places);

  const std::shared_ptr<const SequenceReader> sequences_;
  const SequenceBatches plan_;
  const Range lanes_;
  const Options options_;
  std::optional<std::vector<std::int64_t>> order_;    // of the pass; changed only while the thread stands still
  std::vector<std::uint8_t> stored_, stored_labels_;  // the thread's alone: [lanes, steps, channels], [lanes]
  ReadAhead<SequenceBatch> ahead_;                    // last: its thread must end before what it uses
};

}  // namespace trellis
