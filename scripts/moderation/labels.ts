// Which categories a prompt of AdvBench, JADE or SimpleSafetyTests belongs to. These sources do not use
// the API's categories, so rules on the source's own class and on words decide; what no rule can decide
// stays open and neither teaches nor counts. docs/reference/moderation.md explains the rules.
import { CATEGORIES, type Category } from '../../src/moderate/categories.ts';

/** 1: belongs to it, 0: does not, absent: open. */
export type Labels = Readonly<Partial<Record<Category, 0 | 1>>>;

/** `yes` apply with their parents, `open` stay open, the others do not apply. */
export function labelled(yes: readonly string[], open: readonly string[] = []): Labels {
  const labels: Partial<Record<Category, 0 | 1>> = {};
  const parents = yes.map((category) => category.split('/')[0]!);
  for (const category of CATEGORIES) {
    if (yes.includes(category) || parents.includes(category)) labels[category] = 1;
    else if (!open.includes(category)) labels[category] = 0;
  }
  return labels;
}

const HARM =
  /bomb|explosiv|weapon|firearm|\bguns?\b|kill|murder|assassin|poison|terroris|shooting|physical(ly)? (harm|assault)|assault|kidnap|abduct|tortur|set .*fire|start a fire|casualties|cause a crash|cause accidents|attack (someone|on)|hit-and-run|arson/i;
const SELF =
  /suicide|suicidal|self-harm|anorexi|bulimi|eating disorder|kill yourself|commit suicide/i;
const HOW =
  /instruct|guide|step|how (to|do|can|should)|tutorial|method|ways|\btips|advice|find for me|best place/i;
const GROUP =
  /racis|sexis|hate speech|hatred|minority|inferior|dehumaniz|oppression|particular (race|group|religion)|specific (race|group)|against women/i;

export function labelsOfAdvBench(text: string): Labels {
  const open: string[] = ['violence', 'harassment', 'violence/graphic'];
  const yes: string[] = [];
  if (SELF.test(text)) {
    yes.push('self-harm', ...(HOW.test(text) ? ['self-harm/instructions'] : []));
    return labelled(yes, [...open, 'illicit', 'illicit/violent', 'self-harm/instructions']);
  }
  if (GROUP.test(text)) {
    const threat = /violen|harm|attack|threat|incit/i.test(text);
    yes.push('hate', ...(threat ? ['hate/threatening'] : []));
    return labelled(yes, [...open, 'illicit', 'illicit/violent', 'harassment/threatening']);
  }
  if (/bully|harass|stalk|humiliat|defam/i.test(text))
    return labelled(['harassment'], [...open, 'illicit', 'harassment/threatening']);
  if (/threat(en)?s? (to|a|someone)|threatening/i.test(text))
    return labelled(['harassment/threatening'], [...open, 'illicit', 'illicit/violent']);
  if (/\bsex|porn|rape/i.test(text)) return labelled([], [...CATEGORIES]);
  if (HARM.test(text)) return labelled(['illicit/violent'], open);
  // Lies, drugs praised, bad habits: unwelcome, but whether illicit is a matter of taste.
  if (
    /fake news|misinformation|conspirac|false information|promot|encourag|glorif|mislead|review|cheat/i.test(
      text,
    )
  )
    return labelled([], [...open, 'illicit', 'illicit/violent', 'hate', 'self-harm']);
  return labelled(['illicit'], [...open, 'illicit/violent']);
}

export function labelsOfSafetyTest(area: string, text: string): Labels {
  if (area.startsWith('Suicide')) {
    const yes = ['self-harm', ...(HOW.test(text) ? ['self-harm/instructions'] : [])];
    return labelled(yes, [
      'illicit',
      'illicit/violent',
      'self-harm/instructions',
      'self-harm/intent',
      'violence',
    ]);
  }
  if (area.startsWith('Physical'))
    return labelled(['illicit/violent'], ['violence', 'harassment', 'hate', 'self-harm']);
  return labelled(['illicit'], ['illicit/violent']);
}

const ILLICIT = /毒品|走私|伪造|诈骗|欺诈|网络犯罪|偷窃|盗|赌|贪污|内幕|赃|非法侵入|抢劫|贩卖|违禁/;
const VIOLENT = /枪|武器|炸|杀|纵火|放火|火灾|引燃|袭击|绑架|下毒|投毒|恐怖|弹药|刀/;
const ASKS = /如何|怎[么样]|方法|教我|帮我|帮助我|提供|分享|哪里|哪些|请写|给我|有没有|手段|工具/;
const GROUPS = /民族|国别|地域|性别|信仰|肤色|种族/;
const PRIVATE = /窃取|盗取|破解|黑进|入侵|跟踪|追踪|监视|监听|间谍|不被发现|密码|银行卡|护照/;

/** `kind` is the source's own class, `违规类型/违规子类`. */
export function labelsOfJade(kind: string, text: string): Labels {
  const open = [
    'harassment',
    'harassment/threatening',
    'violence',
    'violence/graphic',
    'illicit/violent',
  ];
  if (/自杀|自残|自伤/.test(text))
    return labelled(
      ['self-harm'],
      [...open, 'illicit', 'self-harm/instructions', 'self-harm/intent'],
    );
  if (/淫秽|色情/.test(kind) || /色情|黄色|卖淫|性行为|裸/.test(text)) {
    if (/卖淫|淫秽物品/.test(text) && ASKS.test(text))
      return labelled(['illicit'], [...open, 'sexual', 'sexual/minors']);
    return labelled([], [...CATEGORIES]);
  }
  if (/歧视/.test(kind) && GROUPS.test(kind))
    return labelled(['hate'], [...open, 'hate/threatening', 'illicit']);
  if (/歧视|名誉/.test(kind)) return labelled([], [...open, 'hate', 'hate/threatening', 'illicit']);
  if (/违法犯罪/.test(kind) && VIOLENT.test(text) && ASKS.test(text))
    return labelled(['illicit/violent'], open);
  if (ILLICIT.test(kind) && (ASKS.test(text) || ILLICIT.test(text)))
    return labelled(['illicit'], open);
  if (/隐私|个人信息/.test(kind) && PRIVATE.test(text) && ASKS.test(text))
    return labelled(['illicit'], open);
  return labelled([], [...open, 'illicit', 'hate', 'hate/threatening']);
}
