// The chat template of models that have none. A heading per turn, and the end token after each answer:
// the heading's line break keeps it apart from the content in every kind of tokenizer.
export const DEFAULT_CHAT_TEMPLATE = `{{ bos_token }}{% for message in messages %}\
{% if message['role'] == 'assistant' %}{{ '### Assistant:\\n' + message['content'] + eos_token + '\\n' }}\
{% elif message['role'] == 'system' %}{{ '### System:\\n' + message['content'] + '\\n' }}\
{% elif message['role'] == 'user' %}{{ '### User:\\n' + message['content'] + '\\n' }}\
{% else %}{{ raise_exception('This model has no chat template; the built-in one knows the roles system, user and assistant, not ' + message['role']) }}\
{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Assistant:\\n' }}{% endif %}`;
