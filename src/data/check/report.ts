// The report of a check as one object: what `--json` prints, what the HTML page and the terminal show.
import type { Params, Say } from '../../messages/say.ts';
import type { CounterName, Counter as FormatCounter } from '../analyse/counters.ts';
import type { Distribution } from '../analyse/numbers.ts';
import type { Checked, CheckedFile, Cut } from './check-data.ts';
import type { Severity } from './codes.ts';
import type { FileReport } from './file-checks.ts';
import type { Finding } from './findings.ts';
import type { Price } from './prices.ts';

export type FileSection = {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  readonly format: string;
  readonly shape: string | null;
  readonly rows: number;
  readonly sound_rows: number;
  /** Messages per conversation, and tokens per row. */
  readonly messages_per_row: Distribution | null;
  readonly tokens_per_row: Distribution | null;
  readonly assistant_tokens_per_row: Distribution | null;
  readonly missing_system_message: number;
  readonly missing_user_message: number;
  readonly over_context: { readonly rows: number; readonly listed: readonly Cut[] };
  readonly format_counters: Readonly<Record<CounterName, FormatCounter>> | null;
  readonly screened_for_unsafe_content: number;
} & FileReport;

export type Suggestion = {
  readonly value: number | null;
  readonly rule: string;
};

export type Report = {
  readonly object: 'tunery.data_report';
  readonly ok: boolean;
  readonly errors: number;
  readonly warnings: number;
  readonly tokenizer: string;
  readonly context_length: number;
  readonly train: FileSection;
  readonly valid: FileSection | null;
  readonly training: {
    readonly tokens_per_epoch: number;
    readonly target_tokens_per_epoch: number;
    readonly trained_tokens: number;
    readonly n_epochs: Suggestion;
    readonly batch_size: Suggestion;
    readonly learning_rate: Suggestion;
  };
  /** Null without a base model: both depend on its size. */
  readonly machine: { readonly seconds: number; readonly memory_bytes: number } | null;
  readonly prices: readonly Price[];
  readonly findings: readonly Finding[];
};

export type Advice = {
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number | null;
  readonly machine: Report['machine'];
  readonly prices: readonly Price[];
  readonly tokenizer: string;
  readonly contextLength: number;
};

export function makeReport({ train, valid }: Checked, advice: Advice, speak: Say): Report {
  const findings = [
    ...findingsOf(train, 'train', speak),
    ...(valid ? findingsOf(valid, 'valid', speak) : []),
  ];
  const sorted = findings.toSorted((a, b) => RANK[a.severity] - RANK[b.severity]);
  const count = (severity: Severity) =>
    findings.filter((item) => item.severity === severity).length;
  const errors = count('error');
  const { epochs, batchSize, learningRate, machine, prices, tokenizer, contextLength } = advice;
  const suggest = (
    value: number | null,
    key: 'epochs' | 'batch' | 'rate' | 'rate_unknown',
    params: Params = {},
  ) => ({
    value,
    rule: speak(`report.rule.${key}`, params),
  });
  return {
    object: 'tunery.data_report',
    ok: errors === 0,
    errors,
    warnings: count('warning'),
    tokenizer,
    context_length: contextLength,
    train: section(train),
    valid: valid === null ? null : section(valid),
    training: {
      tokens_per_epoch: train.tokensPerEpoch,
      target_tokens_per_epoch: train.targetsPerEpoch,
      trained_tokens: train.tokensPerEpoch * epochs,
      n_epochs: suggest(epochs, 'epochs', { rows: train.sound }),
      batch_size: suggest(batchSize, 'batch', { rows: train.sound }),
      learning_rate: suggest(learningRate, learningRate === null ? 'rate_unknown' : 'rate'),
    },
    machine,
    prices,
    findings: sorted,
  };
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

const findingsOf = ({ faults, findings }: CheckedFile, file: Finding['file'], speak: Say) => [
  ...faults.list(speak, file),
  ...findings.list(speak, file),
];

function section(file: CheckedFile): FileSection {
  return {
    path: file.path,
    bytes: file.bytes,
    sha256: file.sha256,
    format: file.format,
    shape: file.shape,
    rows: file.rows,
    sound_rows: file.sound,
    messages_per_row: file.messages,
    tokens_per_row: file.tokens,
    assistant_tokens_per_row: file.assistant,
    missing_system_message: file.withoutSystem,
    missing_user_message: file.withoutUser,
    over_context: { rows: file.cutRows, listed: file.cuts },
    format_counters: file.counters,
    screened_for_unsafe_content: file.screened,
    ...file.whole,
  };
}
