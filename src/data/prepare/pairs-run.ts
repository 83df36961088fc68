// The legacy command on pairs: all checks first, then the remedies one after the other, then the file.
import { emptyCompletions, LEGACY_CHECKS, numExamples } from './checks.ts';
import { missingColumn, type PairsForm } from './choose-form.ts';
import { columnFindings } from './column-checks.ts';
import type { Check, CheckFinding } from './finding.ts';
import type { Input } from './input.ts';
import type { Pair } from './pair.ts';
import { readPairs, sampled } from './read-pairs.ts';
import { checkFailed, PrepareError, type Report } from './report.ts';
import { selectRows } from './select-rows.ts';
import type { Session } from './session.ts';
import { unbrokenSpaces } from './space-check.ts';
import { writePairs } from './write-pairs.ts';

export async function preparePairs(
  { mapping, made, columns, items }: PairsForm,
  input: Input,
  session: Session,
): Promise<Report> {
  const { ui, options } = session;
  const { say } = ui;
  const read = await readPairs(items, columns, mapping, session);
  await session.settleProblems();
  if (read.all === 0) throw new PrepareError('no_rows', say('prepare.header_only'));
  let { pairs } = read;
  selectRows(read, session);
  if (options.sample !== null) {
    const all = pairs.length;
    pairs = sampled(pairs, options.sample, options.seed);
    const message = say('prepare.sampled', { kept: pairs.length, all, seed: options.seed });
    session.note('sampled', message);
    session.necessary.push(message);
  }
  if (made) session.necessary.push(say('prepare.convert_form', { target: 'completion' }));
  if (read.converted > 0 && session.necessary.length === 0)
    session.necessary.push(say('prepare.convert_text'));

  present(session, numExamples(pairs, say)!, false);
  const original = new Map(pairs.map((pair) => [pair.index, pair]));
  if (mapping === null) {
    for (const found of columnFindings(read.columns, ui)) {
      if (found.error) throw missingColumn(found.missing, read.columns, ui);
      const { code, text, necessary } = found;
      const whole: CheckFinding = {
        code,
        text,
        rows: [],
        necessary: { text: necessary, apply: same },
      };
      present(session, whole, true);
      session.necessary.push(necessary);
    }
  } else
    session.necessary.push(
      ...(session.necessary.length === 0 ? [say('prepare.convert_columns')] : []),
    );
  const empty = emptyCompletions(pairs, say);
  if (empty?.necessary !== undefined) {
    present(session, empty, true);
    session.necessary.push(empty.necessary.text);
    pairs = empty.necessary.apply(pairs);
  }
  if (pairs.length === 0) throw new PrepareError('no_rows', say('prepare.no_rows'));

  const checks: Check[] = [
    ...(session.problems.repaired.some(({ key }) => key === 'data.nbsp') ? [unbrokenSpaces] : []),
    ...LEGACY_CHECKS,
  ];
  const first = new Map<Check, CheckFinding>();
  for (const check of checks) {
    const found = check(pairs, say);
    if (found === null) continue;
    if (found.error) throw checkFailed(ui, found.code, found.text);
    session.line(found.text);
    first.set(check, found);
  }
  const remedies = await applyRemedies(pairs, checks, first, session);
  for (const [check, found] of first) record(session, found, remedies.applied.has(check));
  const changed = remedies.pairs.filter((pair) => differs(pair, original.get(pair.index)!)).length;
  return writePairs(remedies.pairs, {
    session,
    input,
    mapping,
    read: read.all,
    changed,
    mustWrite: remedies.applied.size > 0 || session.necessary.length > 0,
  });
}

async function applyRemedies(
  start: readonly Pair[],
  checks: readonly Check[],
  first: ReadonlyMap<Check, CheckFinding>,
  session: Session,
): Promise<{ pairs: Pair[]; applied: Set<Check> }> {
  const { say, print, confirm } = session.ui;
  const applied = new Set<Check>();
  let pairs = [...start];
  const wanted = [...first.values()].some(({ optional }) => optional !== undefined);
  if (!wanted && session.necessary.length === 0) {
    print(`\n\n${say('prepare.nothing')}\n`);
    return { pairs, applied };
  }
  print(`\n\n${say('prepare.actions')}\n`);
  for (const what of session.necessary) print(`${say('prepare.necessary', { what })}\n`);
  for (const check of checks) {
    // Looked at again: an earlier remedy may have changed what this one is about.
    const found = check(pairs, say);
    if (found === null || found.error) continue;
    const before = first.get(check);
    if (before?.text !== found.text && (before?.optional ?? found.optional) !== undefined)
      print(`- ${found.text}\n`);
    if (found.optional === undefined) continue;
    const { text, apply } = found.optional;
    if (!(await confirm(say('prepare.recommended', { what: text })))) continue;
    applied.add(check);
    pairs = apply(pairs);
    const empty = emptyCompletions(pairs, say)?.necessary;
    if (empty === undefined) continue;
    print(`${say('prepare.necessary', { what: empty.text })}\n`);
    pairs = empty.apply(pairs);
  }
  if (pairs.length === 0) throw new PrepareError('no_rows', say('prepare.no_rows'));
  return { pairs, applied };
}

function present(session: Session, found: CheckFinding, applied: boolean): void {
  session.line(found.text);
  record(session, found, applied);
}

function record(session: Session, found: CheckFinding, applied: boolean): void {
  session.find({
    code: found.code,
    level: found.necessary !== undefined || found.optional !== undefined ? 'warning' : 'note',
    message: found.text,
    count: found.rows.length,
    rows: found.rows.map(({ file, line }) => ({ file, line })),
    fix: found.necessary?.text ?? found.optional?.text ?? null,
    applied,
  });
}

/** Columns are chosen while reading. */
const same = (pairs: readonly Pair[]) => [...pairs];

const differs = (a: Pair, b: Pair) => a.prompt !== b.prompt || a.completion !== b.completion;
