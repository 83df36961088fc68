// What only the whole file shows: languages, labels, prompts that are alike, system messages, words.

import { type LabelReport, Labels, labelTypos, rareLabels } from '../analyse/labels.ts';
import { languageOfText } from '../analyse/language.ts';
import { Numbers } from '../analyse/numbers.ts';
import { isLonger } from '../analyse/pair-patterns.ts';
import {
  CommonEdges,
  Endings,
  instructionOf,
  PROMPT_ENDINGS,
  Repeats,
  Separators,
  STOPS,
} from '../analyse/prompts.ts';
import { Sides } from '../analyse/sides.ts';
import type { View } from '../analyse/view.ts';
import { overlap, TOP_WORDS, Vocabulary } from '../analyse/vocabulary.ts';
import type { Sample } from '../convert/shapes.ts';
import type { Counter } from './counter.ts';
import type { Findings } from './findings.ts';

const WORDS_BUDGET = 2_000_000; // characters: more of the same text changes the top of the list little
const MOST_REPEATS = 50_000;

export type FileReport = {
  readonly languages: Readonly<Record<string, number>>;
  readonly system_messages: { readonly rows: number; readonly distinct: number };
  readonly labels: readonly LabelReport[] | null;
  readonly prompts: {
    readonly distinct: number;
    readonly common_prefix: string;
    readonly common_suffix: string;
    /** A separator that stands in none of the prompts. */
    readonly free_separator: string;
    readonly most_repeated_instruction: { readonly text: string; readonly share: number } | null;
  };
  /** What nearly all prompts and completions end with, where some do not. */
  readonly endings: { readonly prompt: string | null; readonly completion: string | null };
  readonly vocabulary: {
    readonly words: number;
    readonly general_overlap: number | null;
    readonly rows_read: number;
  };
};

/** A list of common words of a language, or null where there is none. */
export type GeneralWords = (language: string) => readonly string[] | null;

export class FileChecks {
  readonly #languages = new Map<string, number>();
  readonly #switched = new Numbers(16);
  readonly #systems = new Repeats(MOST_REPEATS);
  readonly #withoutSystem = new Numbers(16);
  readonly #prompts = new Repeats(MOST_REPEATS);
  readonly #instructions = new Repeats(MOST_REPEATS);
  readonly #answers = new Repeats(MOST_REPEATS);
  readonly #edges = new CommonEdges();
  readonly #separators = new Separators();
  readonly #labels = new Labels();
  readonly #words = new Vocabulary(WORDS_BUDGET);
  readonly #starts = new Numbers(16);
  readonly #promptEnds = new Endings(PROMPT_ENDINGS);
  readonly #stops = new Endings(STOPS);
  readonly #sides = new Sides();
  #rows = 0;
  #completion = false;
  #labelled = true;

  add(sample: Sample, view: View, line: number): void {
    this.#rows += 1;
    const { system, prompt, answer } = view;
    const spoken = languageOfText(answer.length > 40 ? answer : `${prompt} ${answer}`);
    this.#languages.set(spoken, (this.#languages.get(spoken) ?? 0) + 1);
    if (isLonger(prompt, 20) && isLonger(answer, 20)) {
      const asked = languageOfText(prompt);
      const said = answer.length > 40 ? spoken : languageOfText(answer);
      // Short texts in Latin letters are often taken for a neighbour's language.
      const sure =
        !(LATIN.has(asked) && LATIN.has(said)) || Math.min(prompt.length, answer.length) > 120;
      if (sure && NAMED.has(asked) && NAMED.has(said) && asked !== said) this.#switched.push(line);
    }
    this.#sides.add(view, line);
    if (sample.kind === 'chat' || sample.kind === 'preference') {
      if (system !== null) this.#systems.add(system);
      else this.#withoutSystem.push(line);
    }
    if (prompt !== '') {
      this.#prompts.add(prompt);
      const turns = view.messages?.length ?? 0;
      if (turns <= 3) {
        this.#edges.add(prompt);
        this.#instructions.add(instructionOf(prompt));
      }
    }
    this.#answers.add(answer);
    if (sample.kind === 'completion') {
      this.#completion = true;
      this.#separators.add(prompt);
      if (prompt !== '') this.#promptEnds.add(prompt, line);
      if (prompt !== '') this.#stops.add(answer, line);
      if (prompt !== '' && !answer.startsWith(' ')) this.#starts.push(line);
    }
    if (sample.kind === 'text' || (view.messages?.length ?? 0) > 3) this.#labelled = false;
    else this.#labels.add(sample.kind === 'completion' ? answer.replace(/^ /, '') : answer, line);
    if (this.#words.add(prompt)) this.#words.add(answer);
  }

  finish(found: Findings, counter: Counter | null, general: GeneralWords): FileReport {
    const labels = this.#labelled ? this.#finishLabels(found, counter) : null;
    this.#finishLanguages(found);
    this.#finishSystems(found);
    this.#finishPrompts(found, counter, labels !== null);
    if (labels === null) this.#finishSides(found);
    const words = this.#words.top(TOP_WORDS);
    const main = [...this.#languages].toSorted((a, b) => b[1] - a[1])[0]?.[0] ?? 'other';
    const list = general(main);
    const share = list === null || words.length < 200 ? null : overlap(words, list);
    if (share !== null && share < LITTLE_OVERLAP)
      found.set('domain_overlap', { percent: percent(share), words: words.length });
    const [instruction] = this.#instructions.top(1);
    return {
      languages: Object.fromEntries([...this.#languages].toSorted((a, b) => b[1] - a[1])),
      system_messages: { rows: this.#systems.rows, distinct: this.#systems.distinct },
      labels,
      prompts: {
        distinct: this.#prompts.distinct,
        common_prefix: this.#edges.prefix,
        common_suffix: this.#edges.suffix,
        free_separator: this.#separators.proposal ?? '',
        most_repeated_instruction:
          instruction === undefined
            ? null
            : { text: instruction.text, share: instruction.rows / this.#instructions.rows },
      },
      endings: {
        prompt: this.#promptEnds.usual?.text ?? null,
        completion: this.#stops.usual?.text ?? null,
      },
      vocabulary: { words: words.length, general_overlap: share, rows_read: this.#words.rows },
    };
  }

  #finishLanguages(found: Findings): void {
    const main = Math.max(0, ...this.#languages.values());
    const minor = [...this.#languages].filter(
      ([language, rows]) =>
        NAMED.has(language) && rows < main && rows >= Math.max(3, this.#rows * 0.01),
    );
    if (minor.length > 0)
      found.set('language_mix', {
        languages: [...this.#languages]
          .toSorted((a, b) => b[1] - a[1])
          .map(([language, rows]) => `${language} ${percent(rows / this.#rows)} %`)
          .join(', '),
      });
    // Where most rows translate, that is the task.
    if (this.#switched.length > 0 && this.#switched.length < this.#rows / 2)
      for (const line of this.#switched.values) found.hit('language_switch', line);
  }

  #finishSystems(found: Findings): void {
    const [withSystem, without] = [this.#systems.rows, this.#withoutSystem.length];
    if (withSystem > 0 && without > 0) {
      for (const line of this.#withoutSystem.values) found.hit('system_share', line);
      found.set('system_share', {
        percent: percent(withSystem / (withSystem + without)),
        distinct: this.#systems.distinct,
      });
    } else if (without > 0) found.set('missing_system', { rows: without });
  }

  #finishSides(found: Findings): void {
    const { swapped, unfinished, oddlySwapped, oddlyUnfinished } = this.#sides;
    if (oddlySwapped) for (const line of swapped.values) found.hit('swapped_sides', line);
    if (oddlyUnfinished) for (const line of unfinished.values) found.hit('unfinished_answer', line);
  }

  #finishLabels(found: Findings, counter: Counter | null): readonly LabelReport[] | null {
    const { lines } = this.#labels;
    if (lines === null) return null;
    const typos = labelTypos(lines);
    for (const { label } of typos)
      for (const line of lines.get(label) ?? []) found.hit('label_typo', line);
    if (typos.length > 0)
      found.set(
        'label_typo',
        { example: `${typos[0]!.label} → ${typos[0]!.meant}` },
        typos.map(({ label, meant }) => ({ label, meant, rows: lines.get(label)?.length ?? 0 })),
      );
    for (const line of this.#labels.odd) found.hit('label_odd', line);
    const misspelt = new Set(typos.map(({ label }) => label));
    const rare = rareLabels(lines).filter((label) => !misspelt.has(label));
    for (const label of rare)
      for (const line of lines.get(label) ?? []) found.hit('label_rare', line);
    if (rare.length > 0) found.set('label_rare', { labels: rare.slice(0, MOST_NAMED).join(', ') });
    // A label may be one character, and may mean that there is no value.
    found.drop('short_answer');
    if (found.rows('null_answer') > rare.length * MOST_RARE) found.drop('null_answer');
    const asLearned = (label: string) => (this.#completion ? ` ${label}` : label);
    const report = this.#labels.report(
      counter === null ? null : (label) => counter.answer(asLearned(label)).length,
    );
    const [most, least] = [report[0]!, report.at(-1)!];
    if (most.rows >= 5 * least.rows && most.rows >= 20)
      found.set('label_imbalance', {
        most: most.label,
        most_rows: most.rows,
        least: least.label,
        least_rows: least.rows,
      });
    const few = report.filter(({ grade }) => grade === 'too few');
    if (few.length > 0)
      found.set(
        'label_few_rows',
        { labels: few.length },
        few.map(({ label, rows }) => ({ label, rows })),
      );
    if (counter === null) return report;
    const long = report.filter(({ tokens }) => tokens !== null && tokens > 1);
    if (long.length > 0)
      found.set(
        'label_tokens',
        { labels: long.length, tokenizer: counter.name },
        long.map(({ label, tokens }) => ({ label, tokens })),
      );
    const byFirst = new Map<number, string[]>();
    for (const { label } of report) {
      const first = counter.answer(asLearned(label))[0]!;
      byFirst.set(first, [...(byFirst.get(first) ?? []), label]);
    }
    const shared = [...byFirst.values()].filter((names) => names.length > 1);
    if (shared.length > 0)
      found.set(
        'label_first_token',
        { labels: shared[0]!.join(', '), groups: shared.length },
        shared.map((names) => ({ labels: names.join(', ') })),
      );
    return report;
  }

  #finishPrompts(found: Findings, counter: Counter | null, labelled: boolean): void {
    const { prefix, suffix } = this.#edges;
    if (prefix.trim().length >= LONG_PREFIX && this.#prompts.distinct > 1)
      found.set('prompt_prefix', {
        prefix: prefix.length > 120 ? `${prefix.slice(0, 120)}…` : prefix,
        tokens: counter?.text(prefix) ?? prefix.length,
        unit: counter === null ? 'characters' : 'tokens',
      });
    else {
      const [top] = this.#instructions.top(1);
      const share = top === undefined ? 0 : top.rows / this.#instructions.rows;
      if (top !== undefined && share > 0.5 && this.#instructions.rows >= 20 && top.text.length > 15)
        found.set('repeated_instruction', { text: top.text, percent: percent(share) });
    }
    const [answer] = this.#answers.top(1);
    const share = answer === undefined ? 0 : answer.rows / this.#answers.rows;
    if (
      !labelled &&
      answer !== undefined &&
      answer.rows >= 10 &&
      share > 0.02 &&
      answer.text.trim() !== ''
    )
      found.set('same_answer', { text: answer.text, rows: answer.rows, percent: percent(share) });
    if (!this.#completion) return;
    if (this.#starts.length > 0) {
      for (const line of this.#starts.values) found.hit('completion_start', line);
    }
    const { usual: stop } = this.#stops;
    for (const line of stop?.without ?? []) found.hit('stop_missing', line);
    if (stop !== null) found.set('stop_missing', { stop: JSON.stringify(stop.text) });
    const { usual } = this.#promptEnds;
    for (const line of usual?.without ?? []) found.hit('separator_missing', line);
    if (usual !== null) found.set('separator_missing', { separator: JSON.stringify(usual.text) });
    else if (this.#edges.rows >= 3 && !ENDING.test(suffix))
      found.set('prompt_ending', {
        separator: JSON.stringify(this.#separators.proposal ?? '\n\n###\n\n'),
      });
  }
}

const NAMED = new Set([
  'en',
  'zh',
  'ja',
  'ko',
  'ru',
  'ar',
  'de',
  'fr',
  'es',
  'pt',
  'it',
  'nl',
  'vi',
]);
const LATIN = new Set(['en', 'de', 'fr', 'es', 'pt', 'it', 'nl', 'vi']);
const LONG_PREFIX = 12;
const MOST_NAMED = 5;
const MOST_RARE = 3;
const LITTLE_OVERLAP = 0.25;
/** A fixed ending that is no letter: ` ->`, `\n\n###\n\n`, `\nLabel:`. */
const ENDING = /[^\p{L}\p{N}\s.!?。！？]\s*$|\n\s*\S*$/u;

export const percent = (share: number) => (100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0);
