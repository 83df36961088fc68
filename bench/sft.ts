// LoRA SFT on the CPU, PyTorch + PEFT against Tunery: same rows, order, batch in rows, rank, learning
// rate, initial adapter and cores. The engines alternate, so that noise of the machine hits both.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Args, count, cpu, findModel, median, runJson, text } from './parts/measure.ts';
import { type ChatRow, renderRows } from './parts/rows.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const ALL = 'q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj';

type Peer = {
  target_tokens_per_s: number;
  peak_rss_gb: number;
  valid_loss_after: number;
  losses: number[];
};
type Ours = Peer & { raw_target_tokens_per_s: number; end_to_end_seconds: number };

/** Options: --python, --model, --data (gsm8k-like or chat JSONL), --rows 500, --valid 40, --batch 8,
 *  --steps 8 (0 = all rows), --pairs 3, --rank 8, --targets q_proj,v_proj | all, --lr 1e-3, --threads 2. */
export async function run(args: Args): Promise<Record<string, unknown>> {
  const model = findModel(args);
  const targets = text(args, 'targets', 'q_proj,v_proj').replace(/^all$/, ALL);
  const steps = count(args, 'steps', 8);
  const pairs = count(args, 'pairs', 3);
  const folder = mkdtempSync(join(tmpdir(), 'tunery-bench-'));
  try {
    const rows = join(folder, 'rows.json');
    const conversations = readRows(text(args, 'data', '../shared/data/gsm8k/train.jsonl'));
    const used = count(args, 'rows', 500);
    const held = count(args, 'valid', 40);
    const rendered = await renderRows(model, conversations.slice(0, used + held));
    writeFileSync(
      rows,
      JSON.stringify({ train: rendered.slice(0, used), valid: rendered.slice(used) }),
    );

    const init = join(folder, 'init.npz');
    const shared = ['--rows', rows, '--rank', text(args, 'rank', '8'), '--targets', targets];
    shared.push('--lr', text(args, 'lr', '1e-3'), '--batch', text(args, 'batch', '8'));
    shared.push('--threads', text(args, 'threads', '2'), '--alpha', text(args, 'alpha', '16'));
    if (steps > 0) shared.push('--steps', String(steps));
    const python = text(args, 'python', 'python3');
    const peer = () =>
      runJson(python, [here('./parts/peft_sft.py'), '--gguf', model, ...shared, '--init', init]);
    const ours = (precision: string) =>
      runJson(process.execPath, [
        here('./parts/sft-ours.ts'),
        '--model',
        model,
        ...shared,
        '--init',
        init,
        '--precision',
        precision,
      ]);

    const peers: Peer[] = [];
    const int8: Ours[] = [];
    const f32: Ours[] = [];
    for (let pair = 0; pair < pairs; pair++) {
      peers.push((await peer()) as Peer);
      int8.push((await ours('int8')) as Ours);
      f32.push((await ours('f32')) as Ours);
      process.stderr.write(
        `pair ${pair + 1}/${pairs}: target tokens/s: peft ${peers[pair]!.target_tokens_per_s.toFixed(1)}, ` +
          `int8 ${int8[pair]!.target_tokens_per_s.toFixed(1)}, f32 ${f32[pair]!.target_tokens_per_s.toFixed(1)}\n`,
      );
    }
    const ratio = (
      a: Ours[],
      of: 'target_tokens_per_s' | 'raw_target_tokens_per_s' | 'peak_rss_gb',
    ) =>
      median(
        a.map(
          (one, i) =>
            one[of] /
            (of === 'peak_rss_gb' ? peers[i]!.peak_rss_gb : peers[i]!.target_tokens_per_s),
        ),
      );
    return {
      ratio: ratio(int8, 'target_tokens_per_s'),
      ratio_f32: ratio(f32, 'target_tokens_per_s'),
      ratio_raw_step: ratio(int8, 'raw_target_tokens_per_s'),
      ratio_raw_step_f32: ratio(f32, 'raw_target_tokens_per_s'),
      memory_ratio: ratio(int8, 'peak_rss_gb'),
      memory_ratio_f32: ratio(f32, 'peak_rss_gb'),
      valid_loss: median(int8.map((one) => one.valid_loss_after)),
      valid_loss_f32: median(f32.map((one) => one.valid_loss_after)),
      peer_valid_loss: median(peers.map((one) => one.valid_loss_after)),
      largest_loss_difference_f32: Math.max(
        ...f32.flatMap((one, i) =>
          one.losses.map((loss, s) => Math.abs(loss - peers[i]!.losses[s]!)),
        ),
      ),
      target_tokens_per_second: median(int8.map((one) => one.target_tokens_per_s)),
      peer_target_tokens_per_second: median(peers.map((one) => one.target_tokens_per_s)),
      peak_gb: median(int8.map((one) => one.peak_rss_gb)),
      peer_peak_gb: median(peers.map((one) => one.peak_rss_gb)),
      pairs,
      steps: peers[0]!.losses.length,
      targets,
      cpu: cpu(),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Chat rows as they are; GSM8K's question and answer as one exchange. */
function readRows(file: string): ChatRow[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim())
    .map((line) => JSON.parse(line))
    .map((row) =>
      row.messages
        ? row
        : {
            messages: [
              { role: 'user', content: row.question },
              { role: 'assistant', content: row.answer },
            ],
          },
    );
}
