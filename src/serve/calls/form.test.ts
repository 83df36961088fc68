// Forms read off real kinds of templates, and answers in them split into text and calls.
import { expect, test } from 'vitest';
import { DEFAULT_CHAT_TEMPLATE } from '../../tokenizer/default-template.ts';
import type { CallDelta } from '../protocol.ts';
import { CallReader } from './call-reader.ts';
import { type CallForm, callForm } from './form.ts';

const CHATML = `{% for m in messages %}<|im_start|>{{ m.role }}
{{ m.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;
const HERMES = `{% if tools %}{{ '<|im_start|>system\\n' + (tools | tojson) + '<|im_end|>\\n' }}{% endif %}\
{% for m in messages %}{{ '<|im_start|>' + m.role }}{% if m.content %}{{ '\\n' + m.content }}{% endif %}{% for c in m.tool_calls or [] %}\
{{ '\\n<tool_call>\\n{"name": "' + c.function.name + '", "arguments": ' + (c.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}\
{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}`;
const LIST = `{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}{% if m.role == 'user' %}[INST]{{ m.content }}[/INST]\
{% elif m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\
{% if not loop.last %}, {% endif %}{% endfor %}]</s>{% else %}{{ m.content }}</s>{% endif %}{% endfor %}`;
const BARE = `{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{% for c in m.tool_calls or [] %}\
{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}{% else %}{{ m.content }}{% endfor %}<|end|>\
{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`;
const XML = `{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}<|{{ m.role }}|>{{ m.content or '' }}{% for c in m.tool_calls or [] %}\
<function={{ c.function.name }}>{% for k, v in c.function.arguments | items %}<{{ k }}>{{ v }}</{{ k }}>{% endfor %}</function>{% endfor %}<|end|>\
{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}`;

const SPECIAL = { bosToken: '<s>', eosToken: '</s>' };
const formOf = (template: string) => callForm(template, SPECIAL);

test('templates that know tools are followed, others get the tagged form', () => {
  expect(formOf(HERMES)).toEqual({
    open: '<tool_call>\n{"name": "',
    next: '\n<tool_call>\n{"name": "',
    middle: '", "arguments": ',
    close: '}\n</tool_call>',
    sign: '<tool_call>',
    anywhere: true,
  });
  expect(formOf(LIST)).toMatchObject({ open: '[TOOL_CALLS][{"name": "', sign: '[TOOL_CALLS][' });
  expect(formOf(BARE)).toMatchObject({ sign: '{"name": "', anywhere: false, close: '}' });
  for (const template of [CHATML, DEFAULT_CHAT_TEMPLATE])
    expect(formOf(template)).toMatchObject({
      open: '<tool_call>{"name": "',
      next: '\n<tool_call>{"name": "',
      close: '}</tool_call>',
    });
});

test('a template whose calls are no JSON has no form', () => {
  expect(formOf(XML)).toBeNull();
});

test.each([1, 3, 100])('an answer in pieces of %d characters is split alike', (size) => {
  const form = formOf(HERMES)!;
  const args = ['{"a": "}\\"{"}', '{}'];
  const call = (i: number) => `${form.middle}${args[i]}${form.close}`;
  const text = `I look.  ${form.open}one${call(0)}${form.next}two${call(1)}`;
  expect(read(form, text, size)).toEqual({
    text: 'I look.',
    calls: [
      { name: 'one', arguments: args[0] },
      { name: 'two', arguments: args[1] },
    ],
  });
  expect(read(form, 'a < b <tool or not ', size)).toEqual({
    text: 'a < b <tool or not ',
    calls: [],
  });
});

test('what only looks like a call stays text', () => {
  const form = formOf(CHATML)!;
  expect(read(form, 'see <tool_call> here', 2, false)).toEqual({
    text: 'see <tool_call> here',
    calls: [],
  });
  const bare = formOf(BARE)!;
  expect(read(bare, 'as in {"name": "x"}', 2)).toEqual({ text: 'as in {"name": "x"}', calls: [] });
});

function read(form: CallForm, text: string, size: number, begin = true) {
  const reader = new CallReader(form, () => begin);
  const calls: { name: string; arguments: string }[] = [];
  let shown = '';
  const add = ({ index, name, arguments: part }: CallDelta) => {
    if (name !== undefined) calls[index] = { name, arguments: '' };
    calls[index]!.arguments += part;
  };
  for (let at = 0; at < text.length; at += size) {
    const split = reader.push(text.slice(at, at + size));
    shown += split.text;
    split.calls.forEach(add);
  }
  return { text: shown + reader.finish(), calls };
}
