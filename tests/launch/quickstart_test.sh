#!/usr/bin/env bash
# launch/quickstart with stand-in programs: the corpora (King James Bible, a text of one's own, downloads from a local server), and
# the order of training, stopping, resuming and evaluating. Real training is tested elsewhere, by its own tests.

# shellcheck disable=SC2154  # scratch and clone come from helpers.sh
# shellcheck source=helpers.sh
source "$(dirname "${BASH_SOURCE[0]}")/helpers.sh"
place=$scratch/place
mkdir "$place" "$scratch/programs"
export TRELLIS_BIN=$scratch/programs TRELLIS_DATA_ROOT=$place
quickstart=("$clone/launch/quickstart" --seconds 5 --ranks 2)

# The programs write down how they were called. `trellis train` ends as the real one does: 75 when its time is over or a SIGUSR2
# comes, 0 after its last step; with $scratch/slow it waits for the signal.
cat >"$TRELLIS_BIN/trellis-preprocess" <<END
#!/usr/bin/env bash
echo "preprocess \$*" >>"$scratch/calls"
while [ \$# -gt 0 ]; do if [ "\$1" = --output ]; then mkdir "\$2"; echo '{"words": 9999,' >"\$2/manifest.json"; fi; shift; done
END
cat >"$TRELLIS_BIN/trellis" <<END
#!/usr/bin/env bash
echo "trellis \$*" >>"$scratch/calls"
case "\$*" in
  evaluate*) echo "test perplexity 123.4" ;;
  generate*) echo "and it came to pass" ;;
  *)
    if [ -e "$scratch/slow" ]; then
      trap 'echo signalled; exit 75' USR2
      touch "$scratch/training"
      for _ in \$(seq 300); do sleep 0.1; done
      exit 70
    fi
    if [ -e "$scratch/failing" ]; then exit 16; fi
    case "\$*" in *train.seconds=*) exit 75 ;; esac ;;
esac
END
chmod +x "$TRELLIS_BIN"/*
calls() { grep -c "$1" "$scratch/calls" || true; }

say_test "the King James Bible: references stripped, parted 90/5/5; trained, stopped, resumed, evaluated"
stand_in bible <<'END'
for i in $(seq 31102); do echo "Ge1:$i verse $i: of the text"; done
END
run 0 "${quickstart[@]}"
texts=$place/downloads/quickstart-kjv
equal "$(wc -l <"$texts/train.txt") $(wc -l <"$texts/valid.txt") $(wc -l <"$texts/test.txt")" "27991 1555 1556"
equal "$(head -n 1 "$texts/train.txt")" "verse 1: of the text"
equal "$(head -n 1 "$texts/valid.txt")" "verse 27992: of the text"
equal "$(tail -n 1 "$texts/test.txt")" "verse 31102: of the text"
says "test perplexity 123.4" "and it came to pass" "What to try next" "$place/runs/quickstart-1" "$place/data/kjv"
equal "$(calls 'preprocess text .* --unit word --min-count 2 --output')" 1
equal "$(calls 'trellis train .*train.seconds=3$')" 2  # one a rank
equal "$(calls 'trellis train .*train.seconds=2 --resume auto')" 2
equal "$(calls 'trellis evaluate .*--split test --which best')" 1
equal "$(calls 'trellis generate .*--tokens 60')" 1

say_test "a second run stands beside the first and uses its corpus"
run 0 "${quickstart[@]}" --steps 10
says "$place/data/kjv is there already" "$place/runs/quickstart-2"
exists "$place/runs/quickstart-1" "$place/runs/quickstart-2"
equal "$(calls preprocess)" 1
equal "$(calls 'quickstart-2 train.steps=5$')" 2
equal "$(calls 'quickstart-2 train.steps=10 --resume auto')" 2

say_test "characters and bytes: corpora of their own, a full softmax"
run 0 "${quickstart[@]}" --unit char
exists "$place/data/kjv-char"
equal "$(calls 'preprocess text .*quickstart-kjv/test.txt --unit char --output .*kjv-char$')" 1
equal "$(calls 'data/kjv-char .*model.cutoffs= train.seconds=2 --resume auto')" 2
equal "$(calls 'trellis generate .*kjv-char --tokens 300')" 1

say_test "a Bible with verses missing is not trained on (65)"
rm -rf "$texts"
stand_in bible <<<'echo "Ge1:1 In the beginning"'
run 65 "${quickstart[@]}"
says "printed 1 verses instead of 31102"
exists_not "$texts"

say_test "Ctrl-C stops at a checkpoint, says how to go on, and exits 75"
for i in $(seq 40); do echo "line $i of a text"; done >"$scratch/text"
printf 'a last line without its end' >>"$scratch/text"
touch "$scratch/slow"
PATH=$scratch/bin:$PATH "${quickstart[@]}" --text "$scratch/text" >"$scratch/output" 2>&1 </dev/null &
pid=$!
wait_for "$scratch/training"
sleep 0.5
kill -TERM "$pid"
status=0
wait "$pid" || status=$?
equal "$status" 75
says "stopped at a checkpoint" "--resume auto"
rm "$scratch/slow"

say_test "a text of one's own: its last line counts, and a small vocabulary gets a full softmax"
run 0 "${quickstart[@]}" --text "$scratch/text"
texts=$(echo "$place"/downloads/quickstart-text-*)
equal "$(cat "$texts/train.txt" "$texts/valid.txt" "$texts/test.txt")" "$(cat "$scratch/text")"
equal "$(cat "$texts/test.txt" | tail -n 1)" "a last line without its end"
equal "$(calls 'data/text-.* model.cutoffs= train.seconds=2 --resume auto')" 2

say_test "a large vocabulary gets an adaptive softmax"
sed -i 's/9999/40000/' "$place"/data/text-*/manifest.json
run 0 "${quickstart[@]}" --text "$scratch/text"
equal "$(calls 'model.cutoffs=2000,8000 train.seconds=2 --resume auto')" 2

say_test "texts that cannot be used"
run 66 "${quickstart[@]}" --text "$scratch/nothing"
says "there is no text '$scratch/nothing'"
run 66 "${quickstart[@]}" --text "$scratch"
says "is no file"
: >"$scratch/empty"
run 65 "${quickstart[@]}" --text "$scratch/empty"
says "has 0 lines"

say_test "a training that fails ends the quickstart with its exit code"
touch "$scratch/failing"
run 16 "${quickstart[@]}" --text "$scratch/text"
says "training ended with exit code 16"
rm "$scratch/failing"

say_test "the build's lines go to a file, and one that fails shows its last ones; CUDA only where there is a GPU or it is asked for"
cp "$clone/launch/build" "$scratch/build.kept"
cat >"$clone/launch/build" <<END
#!/usr/bin/env bash
echo "build \$*" >>"$scratch/calls"
echo "[1/2] a line of ninja's"
[ ! -e "$scratch/broken-build" ] || { echo "the compiler's message"; exit 70; }
mkdir -p "$clone/build/bin" && cp "$scratch/programs"/* "$clone/build/bin/"
END
built() { env -u TRELLIS_BIN "${quickstart[@]}" --text "$scratch/text" "$@"; }
run 0 built
says_not "a line of ninja's"
equal "$(grep -c "a line of ninja's" "$place/quickstart-build.log")" 1
if [ -e /dev/nvidiactl ]; then wanted='build trellis'; else wanted='build --cpu trellis'; fi
equal "$(calls "$wanted trellis-preprocess parity$")" 1
run 0 built --cuda
equal "$(calls 'build trellis trellis-preprocess parity$')" "$(if [ -e /dev/nvidiactl ]; then echo 2; else echo 1; fi)"
touch "$scratch/broken-build"
run 70 built --cpu
says "the compiler's message" "launch/build ended with exit code 70" "$place/quickstart-build.log"
cp "$scratch/build.kept" "$clone/launch/build"

say_test "wrong flags"
run 2 "${quickstart[@]}" --corpus penn
says "unknown corpus 'penn'" "wikitext-103 wikitext-2"
run 2 "${quickstart[@]}" --unit syllable
says "unknown unit 'syllable'"
run 2 "${quickstart[@]}" --corpus wikitext-2 --text "$scratch/text"
says "exclude each other"
run 2 "$clone/launch/quickstart" --ranks two
says "--ranks must be a whole number, but is 'two'"
run 2 "$clone/launch/quickstart" --seconds 1
says "must be at least 2"
run 2 "$clone/launch/quickstart" --ranks
says "needs a value"

# A server that answers Range requests, so that a download can go on where it ended; it writes down what it was asked for.
mkdir "$scratch/server" "$scratch/tokens"
for split in train valid test; do seq -f "$split word %.0f" 2000 >"$scratch/tokens/wiki.$split.tokens"; done
python3 - "$scratch" <<'PYTHON' &
import http.server, os, re, sys
scratch = sys.argv[1]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = scratch + "/server" + self.path
        wanted = self.headers.get("Range", "")
        with open(scratch + "/asked", "a") as log:
            log.write(self.path + " " + wanted + "\n")
        if not os.path.exists(path):
            return self.send_error(404)
        body = open(path, "rb").read()
        start = int(re.match(r"bytes=(\d+)-", wanted).group(1)) if wanted else 0
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start:])
    def log_message(self, *arguments):
        pass
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
with open(scratch + "/port.tmp", "w") as f:
    f.write(str(server.server_port))
os.rename(scratch + "/port.tmp", scratch + "/port")
server.serve_forever()
PYTHON
server=$!
trap 'kill "$server" 2>/dev/null; on_exit' EXIT
wait_for "$scratch/port"
TRELLIS_CORPUS_URL=http://127.0.0.1:$(cat "$scratch/port")
export TRELLIS_CORPUS_URL TRELLIS_CORPUS_LIST=$scratch/corpora.txt
unset http_proxy HTTP_PROXY all_proxy ALL_PROXY
python3 -c "
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + '/server/wikitext-2-v1.zip', 'w') as z:
    for split in ('train', 'valid', 'test'):
        z.write(sys.argv[1] + f'/tokens/wiki.{split}.tokens', f'wikitext-2/wiki.{split}.tokens')
" "$scratch"
cp "$scratch/server/wikitext-2-v1.zip" "$scratch/server/wikitext-103-v1.zip"
for split in train valid test; do
  echo "file wikitext-2 wiki.$split.tokens $(sha256sum "$scratch/tokens/wiki.$split.tokens" | cut -d' ' -f1)"
done >"$TRELLIS_CORPUS_LIST"
echo "counts wikitext-103 wiki.train.tokens 8000 2003" >>"$TRELLIS_CORPUS_LIST"

say_test "a download goes on where an earlier one was cut off, and is checked"
archive=$place/downloads/wikitext-2-v1.zip
head -c 1000 "$scratch/server/wikitext-2-v1.zip" >"$archive"
run 0 "${quickstart[@]}" --corpus wikitext-2
equal "$(cat "$scratch/asked")" "/wikitext-2-v1.zip bytes=1000-"
for split in train valid test; do cmp "$scratch/tokens/wiki.$split.tokens" "$place/downloads/quickstart-wikitext-2/$split.txt"; done
equal "$(calls 'preprocess text .*wikitext-2/test.txt --unit word --output')" 1
exists_not "$archive"

say_test "a whole archive left by a killed run is taken as it is"
rm -rf "$place/downloads/quickstart-wikitext-2" "$place/data/wikitext-2"
cp "$scratch/server/wikitext-2-v1.zip" "$archive"
run 0 "${quickstart[@]}" --corpus wikitext-2
exists "$place/downloads/quickstart-wikitext-2/train.txt"

say_test "where there is no hash, the counts are checked"
echo "file wikitext-103 wiki.test.tokens $(sha256sum "$scratch/tokens/wiki.test.tokens" | cut -d' ' -f1)" >>"$TRELLIS_CORPUS_LIST"
run 0 "${quickstart[@]}" --corpus wikitext-103
sed -i 's/ 8000 2003/ 8001 2003/' "$TRELLIS_CORPUS_LIST"
rm -rf "$place/downloads/quickstart-wikitext-103" "$place/data/wikitext-103"
run 65 "${quickstart[@]}" --corpus wikitext-103
says "wiki.train.tokens is 8000 tokens of 2003 words, but should be 8001 tokens of 2003 words"

say_test "a wrong file is refused (65) and not kept; so is what is no archive"
rm -rf "$place/downloads/quickstart-wikitext-2" "$place/data/wikitext-2"
sed -i '/wiki.valid.tokens/s/ [0-9a-f]*$/ 0000/' "$TRELLIS_CORPUS_LIST"
run 65 "${quickstart[@]}" --corpus wikitext-2
says "is not wikitext-2, and is removed: wiki.valid.tokens is"
exists_not "$archive" "$place/downloads/quickstart-wikitext-2" "$place/downloads/quickstart-wikitext-2.tmp"
echo "<html>moved</html>" >"$scratch/server/wikitext-2-v1.zip"
run 65 "${quickstart[@]}" --corpus wikitext-2
says "was no whole zip archive"
exists_not "$archive" "$place/downloads/quickstart-wikitext-2"

say_test "a server that has it not (66)"
rm "$scratch/server/wikitext-2-v1.zip"
run 66 "${quickstart[@]}" --corpus wikitext-2
says "could not be downloaded" "TRELLIS_CORPUS_URL"
echo "all passed"
