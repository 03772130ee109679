#include "data/sequence_batch_reader.h"

#include <span>
#include <utility>

#include "base/errors.h"

namespace trellis {
namespace {

bool is_permutation_of(const std::vector<std::int64_t>& order, std::int64_t count) {
  if (static_cast<std::int64_t>(order.size()) != count) return false;
  std::vector<bool> seen(order.size(), false);
  for (const std::int64_t number : order) {
    if (number < 0 || number >= count || seen[static_cast<std::size_t>(number)]) return false;
    seen[static_cast<std::size_t>(number)] = true;
  }
  return true;
}

}  // namespace

SequenceBatchReader::SequenceBatchReader(std::shared_ptr<const SequenceReader> sequences, SequenceBatches plan,
                                         Range lanes, Options options)
    : sequences_(std::move(sequences)),
      plan_(plan),
      lanes_(lanes),
      options_(std::move(options)),
      ahead_(plan_.batches(), options_.batches_ahead,
             [this](SequenceBatch& batch, std::int64_t index) { fill(batch, index); }) {
  require(lanes_.begin >= 0 && lanes_.begin <= lanes_.end && lanes_.end <= plan_.lanes(),
          "a sequence reader was given lanes that do not exist");
  require(plan_.sequences() <= sequences_->sequences(), "a plan of batches was made for another split");
  require(!options_.step_order || is_permutation_of(*options_.step_order, sequences_->steps()),
          "a sequence reader was given steps in an order that is no permutation of them");
  restart(0);
}

void SequenceBatchReader::restart(std::int64_t batch, std::vector<std::int64_t> order) {
  require(is_permutation_of(order, plan_.sequences()),
          "a sequence reader was given sequences in an order that is no permutation of them");
  ahead_.stop();
  order_ = std::move(order);
  ahead_.restart(batch);
}

void SequenceBatchReader::fill(SequenceBatch& batch, std::int64_t index) {
  const Range places = plan_.places(index, lanes_);
  const auto steps = static_cast<std::size_t>(sequences_->steps()), lanes = static_cast<std::size_t>(places.size()),
             channels = static_cast<std::size_t>(sequences_->channels());
  read_places(places);
  batch.index = index;
  batch.lanes = places.size();
  batch.all_lanes = plan_.places(index).size();
  batch.steps = sequences_->steps();
  batch.channels = sequences_->channels();
  batch.labels.assign(stored_labels_.begin(), stored_labels_.end());
  batch.pixels.resize(steps * lanes * channels);
  std::uint8_t* to = batch.pixels.data();
  for (std::size_t step = 0; step < steps; ++step) {
    const std::size_t stored_step = options_.step_order ? static_cast<std::size_t>((*options_.step_order)[step]) : step;
    const std::uint8_t* from = stored_.data() + stored_step * channels;
    for (std::size_t lane = 0; lane < lanes; ++lane, from += steps * channels)
      for (std::size_t channel = 0; channel < channels; ++channel) *to++ = from[channel];
  }
}

// The sequences at these places, one behind the other as they are stored. Neighbours are read at once.
void SequenceBatchReader::read_places(Range places) {
  const auto bytes = static_cast<std::size_t>(sequences_->description().bytes());
  const auto sequence_at = [&](std::int64_t place) {
    return order_ ? (*order_)[static_cast<std::size_t>(place)] : place;
  };
  stored_.resize(static_cast<std::size_t>(places.size()) * bytes);
  stored_labels_.resize(static_cast<std::size_t>(places.size()));
  for (std::int64_t begin = places.begin; begin < places.end;) {
    std::int64_t end = begin + 1;
    while (end < places.end && sequence_at(end) == sequence_at(end - 1) + 1) ++end;
    const auto first = static_cast<std::size_t>(begin - places.begin), count = static_cast<std::size_t>(end - begin);
    sequences_->read(sequence_at(begin), std::span(stored_).subspan(first * bytes, count * bytes),
                     std::span(stored_labels_).subspan(first, count));
    begin = end;
  }
}

}  // namespace trellis
