import { u32At } from "../wire/bytes";
import {
  REWRITE_MODEL,
  REWRITE_TARGET_COUNT,
  REWRITE_TARGET_START,
  SECTION_REWRITES,
  SECTION_TARGETS,
  TARGET_MODEL,
  TARGET_WEIGHT,
} from "../wire/layout";
import { sectionCount, sectionPtr, sectionStride } from "../wire/reader";
import { fresh } from "./columns";
import { NameIndex } from "./name_index";
import { PoolColumns } from "./pool_columns";
import { Random } from "./random";

const NONE: i32 = -1;

/**
 * What models are rewritten to, by pool: rules for exact names, at most one for any other, and the targets of
 * each. Precedence is that of the Gateway API inference extension's InferenceModelRewrite: exact before any,
 * then the order of the rows. Rules and targets are rows of their sections.
 */
export class Rewrites {
  private heap: usize = 0;
  private rules: NameIndex = new NameIndex();
  private targets: NameIndex = new NameIndex();
  private targetStart: StaticArray<i32> = new StaticArray<i32>(0);
  private targetCount: StaticArray<i32> = new StaticArray<i32>(0);
  /** Sum of a rule's weights. */
  private totalWeight: StaticArray<u32> = new StaticArray<u32>(0);
  private targetWeight: StaticArray<u32> = new StaticArray<u32>(0);
  /** By pool: the first of its rules that is for any model. */
  private anyRule: StaticArray<i32> = new StaticArray<i32>(0);
  private poolStart: StaticArray<i32> = new StaticArray<i32>(0);
  private poolCount: StaticArray<i32> = new StaticArray<i32>(0);

  /** The pool rewrites some models. */
  hasRules(pool: i32): bool {
    return unchecked(this.poolCount[pool]) > 0;
  }

  /**
   * The pool's rule for the model of `bytes` bytes at `ptr`: the one for its name, else the one for any; -1
   * if neither is there. Without a model (0 bytes) it is the one for any.
   */
  ruleOf(pool: i32, ptr: usize, bytes: i32): i32 {
    if (!this.hasRules(pool)) return NONE;
    const exact = this.exactRule(pool, ptr, bytes);
    return exact >= 0 ? exact : unchecked(this.anyRule[pool]);
  }

  /** The pool's rule for exactly this name; -1 if there is none. */
  exactRule(pool: i32, ptr: usize, bytes: i32): i32 {
    return bytes == 0 ? NONE : this.rules.findOf(this.heap, pool, ptr, bytes);
  }

  /** `exactRule` for a name whose `nameHash` is at hand. */
  exactRuleHashed(pool: i32, hash: u64, ptr: usize, bytes: i32): i32 {
    return bytes == 0 ? NONE : this.rules.findHashed(this.heap, pool, hash, ptr, bytes);
  }

  /**
   * One of the rule's targets, each with a chance of its weight over their sum (exact to 2^-32). A rule with
   * a single target draws nothing.
   */
  target(rule: i32, random: Random): i32 {
    const start = unchecked(this.targetStart[rule]);
    const last = start + unchecked(this.targetCount[rule]) - 1;
    if (start == last) return start;
    let drawn = random.below(unchecked(this.totalWeight[rule]));
    for (let target = start; target < last; target++) {
      const weight = unchecked(this.targetWeight[target]);
      if (drawn < weight) return target;
      drawn -= weight;
    }
    return last;
  }

  /** A target of this name of any of the pool's rules; -1 if there is none. */
  targetOf(pool: i32, ptr: usize, bytes: i32): i32 {
    return this.targets.findOf(this.heap, pool, ptr, bytes);
  }

  /** Address of the target's name, valid until the next accepted table. */
  targetPtr(target: i32): usize {
    return this.targets.namePtr(this.heap, target);
  }

  targetBytes(target: i32): i32 {
    return this.targets.nameBytes(target);
  }

  /** First rule of the pool; the others follow it, `rulesOf` in all. */
  firstRule(pool: i32): i32 {
    return unchecked(this.poolStart[pool]);
  }

  rulesOf(pool: i32): i32 {
    return unchecked(this.poolCount[pool]);
  }

  rulePtr(rule: i32): usize {
    return this.rules.namePtr(this.heap, rule);
  }

  /** 0: the rule is for any model. */
  ruleBytes(rule: i32): i32 {
    return this.rules.nameBytes(rule);
  }

  ruleHash(rule: i32): u64 {
    return this.rules.hashOf(rule);
  }

  /** Takes over the sections of a checked message, whose strings are at `heap`, for the pools decoded from it. */
  decode(message: usize, heap: usize, pools: PoolColumns): void {
    this.heap = heap;
    this.decodeTargets(message);
    this.decodeRules(message);
    const count = pools.poolCount;
    this.anyRule = fresh<i32>(this.anyRule, count);
    this.poolStart = fresh<i32>(this.poolStart, count);
    this.poolCount = fresh<i32>(this.poolCount, count);
    for (let pool = 0; pool < count; pool++) this.givePool(pool, pools);
  }

  private givePool(pool: i32, pools: PoolColumns): void {
    const start = pools.poolRewriteStart[pool];
    const count = pools.poolRewriteCount[pool];
    this.poolStart[pool] = start;
    this.poolCount[pool] = count;
    this.anyRule[pool] = NONE;
    for (let rule = start + count - 1; rule >= start; rule--) {
      if (this.rules.nameBytes(rule) == 0) this.anyRule[pool] = rule;
      else this.rules.give(rule, 1, pool);
      this.targets.give(this.targetStart[rule], this.targetCount[rule], pool);
    }
  }

  private decodeTargets(message: usize): void {
    const count = sectionCount(message, SECTION_TARGETS);
    const stride = sectionStride(message, SECTION_TARGETS);
    const rows = sectionPtr(message, SECTION_TARGETS);
    this.targets.decode(this.heap, rows + TARGET_MODEL, count, stride);
    this.targetWeight = fresh<u32>(this.targetWeight, count);
    for (let target = 0; target < count; target++) {
      this.targetWeight[target] = u32At(rows + target * stride + TARGET_WEIGHT);
    }
  }

  private decodeRules(message: usize): void {
    const count = sectionCount(message, SECTION_REWRITES);
    const stride = sectionStride(message, SECTION_REWRITES);
    let row = sectionPtr(message, SECTION_REWRITES);
    this.rules.decode(this.heap, row + REWRITE_MODEL, count, stride);
    this.targetStart = fresh<i32>(this.targetStart, count);
    this.targetCount = fresh<i32>(this.targetCount, count);
    this.totalWeight = fresh<u32>(this.totalWeight, count);
    for (let rule = 0; rule < count; rule++, row += stride) {
      const start = <i32>u32At(row + REWRITE_TARGET_START);
      const targets = <i32>u32At(row + REWRITE_TARGET_COUNT);
      this.targetStart[rule] = start;
      this.targetCount[rule] = targets;
      let total: u32 = 0;
      for (let target = start; target < start + targets; target++) total += this.targetWeight[target];
      this.totalWeight[rule] = total;
    }
  }
}
