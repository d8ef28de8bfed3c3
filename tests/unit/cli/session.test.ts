/** Whole runs of the program with the addon: a tiny curriculum, its files, stopping and going on, prediction. */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import sharp from 'sharp'
import { addonPath } from '../../../src/binding/index.ts'
import { program } from '../../support/run-program.ts'

const folder = mkdtempSync(join(tmpdir(), 'trivium-session-'))
after(() => rmSync(folder, { recursive: true }))

interface Running {
  readonly child: ChildProcess
  readonly done: Promise<{ code: number | null; stdout: string; stderr: string }>
  /** Settles once stderr holds the text. */
  seen(text: string): Promise<void>
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  const waiting: { text: string; resolve: () => void }[] = []
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    for (const { text, resolve } of waiting) if (stderr.includes(text)) resolve()
  })
  return {
    child,
    done: new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code) => resolve({ code, stdout, stderr }))
    }),
    seen: (text) =>
      new Promise((resolve, reject) => {
        waiting.push({ text, resolve })
        if (stderr.includes(text)) resolve()
        child.on('close', () => reject(new Error(`ended without "${text}":\n${stderr}`)))
      }),
  }
}

interface Report {
  ok: boolean
  exit_code: number
  run: string
  outcome: string
  phases: { phase: string; metrics: Record<string, number> }[]
  files: string[]
  next: string
}

// Two steps of a narrow network: enough to go through every stage.
const phases = ['train', 'supcon', 'arcface', 'distill']
const tiny = [
  'backbone={name: small_cnn, width: 4}',
  'data.image_size=8',
  ...phases.map((phase) => `${phase}.batch_size=40`),
].flatMap((override) => ['--set', override])
const steps = (count: number): string[] => phases.flatMap((phase) => ['--set', `${phase}.steps=${count}`])

describe('a session', { skip: existsSync(addonPath()) ? false : 'the addon is not built' }, () => {
  let report: Report
  before(async () => {
    const { code, stdout, stderr } = await start('--name', 'tiny', '--json', ...tiny, ...steps(3)).done
    assert.equal(code, 0, stderr)
    report = JSON.parse(stdout) as Report
  })

  it('runs the curriculum and says as JSON what came of it', () => {
    assert.deepEqual([report.ok, report.exit_code, report.run, report.outcome], [true, 0, 'tiny', 'finished'])
    assert.deepEqual(
      report.phases.map(({ phase }) => phase),
      ['supcon', 'arcface', 'distill', 'evaluate', 'export'],
    )
    const top1 = report.phases.find(({ phase }) => phase === 'evaluate')?.metrics['top1'] ?? -1
    const saved = JSON.parse(readFileSync(join(folder, 'eval_results/tiny/metrics.json'), 'utf8')) as { top1: number }
    assert.equal(saved.top1, top1)
    for (const file of report.files) assert.ok(existsSync(join(folder, file)), file)
    assert.match(report.next, /predict --model tiny/)
  })

  it('saves its configuration, which says the same when it is read again', async () => {
    const saved = join(folder, 'snapshots/tiny/config.yaml')
    assert.match(readFileSync(saved, 'utf8'), /^ {2}width: 4$/m)
    const { stdout } = await start('--config', saved, '--print-config', '--json').done
    const again = JSON.parse(stdout) as { supcon: { steps: number }; phases: string[]; run: { name: string } }
    assert.deepEqual([again.supcon.steps, again.run.name, again.phases.length], [3, 'tiny', 5])
  })

  it('has one log of all phases, in JSON', () => {
    const lines = readFileSync(join(folder, 'logs/tiny/full_pipeline.log'), 'utf8').trim().split('\n')
    const messages = lines.map((line) => (JSON.parse(line) as { msg: string }).msg)
    for (const word of ['using device: cpu', 'supcon', 'arcface', 'distill', 'evaluate: top-1', 'export']) {
      assert.ok(
        messages.some((message) => message.includes(word)),
        word,
      )
    }
  })

  it('predicts an image, names one that is none and goes on', async () => {
    mkdirSync(join(folder, 'pictures'))
    await sharp({ create: { width: 12, height: 9, channels: 3, background: '#888' } })
      .png()
      .toFile(join(folder, 'pictures/a.png'))
    writeFileSync(join(folder, 'pictures/broken.jpg'), 'no image')
    const { code, stdout, stderr } = await start('predict', '--model', 'tiny', '--top-k', '2', 'pictures').done
    assert.equal(code, 3, stderr)
    assert.match(stdout, /^pictures\/a\.png {2}\S+ +\d+\.\d% +\S+ +\d+\.\d%$/m)
    assert.match(stderr, /unreadable: .*broken\.jpg/)
    assert.match(stderr, /1 of 2 images could not be read/)
    assert.match(stderr, /10 classes and answers with one of them for every image/)

    const json = await start('predict', '--model', 'tiny', 'pictures/a.png', '--json').done
    assert.equal(json.code, 0)
    const { predictions } = JSON.parse(json.stdout) as {
      predictions: { file: string; label: string; confidence: number }[]
    }
    assert.deepEqual([predictions.length, predictions[0]?.file], [1, 'pictures/a.png'])
    assert.ok((predictions[0]?.confidence ?? 0) >= 0.1)
  })

  it('evaluates the run that is there', async () => {
    const { code, stdout, stderr } = await start('--name', 'tiny', '--phases', 'evaluate', ...tiny).done
    assert.equal(code, 0, stderr)
    assert.match(stdout, /metrics +eval_results\/tiny\/metrics\.json/)
    assert.match(stdout, /top-1 +\d+\.\d\d %/)
    assert.match(stdout, /next +npx run-pipeline .*--phases export --name tiny/)
  })

  it('stops at the first signal with a snapshot, and goes on with --resume', async () => {
    const args = [
      '--name',
      'stopped',
      '--phases',
      'train',
      ...tiny,
      '--set',
      'train.steps=100000',
      '--set',
      'train.use_validation=false',
    ]
    const running = start(...args)
    await running.seen('train: small_cnn')
    await new Promise((resolve) => setTimeout(resolve, 300))
    running.child.kill('SIGINT')
    const { code, stdout, stderr } = await running.done
    assert.equal(code, 75, stderr)
    assert.match(stderr, /stopping after the current step/)
    const next = /resume +npx run-pipeline (.*)\n?$/.exec(stdout.trim())?.[1] ?? ''
    assert.match(next, /--name stopped --resume$/)
    const step = (): number => {
      const state = readFileSync(join(folder, 'snapshots/stopped/train/last/state.json'), 'utf8')
      return (JSON.parse(state) as { step: number }).step
    }
    const before = step()
    assert.ok(before > 0)

    const again = start(...args, '--resume')
    await again.seen('train: small_cnn')
    await new Promise((resolve) => setTimeout(resolve, 300))
    again.child.kill('SIGTERM')
    assert.equal((await again.done).code, 75)
    assert.ok(step() > before, `${step()} after ${before}`)
    assert.ok(!existsSync(join(folder, 'snapshots/stopped-2')))
  })

  it('ends at once at the second signal, with 130', async () => {
    const running = start('--name', 'killed', '--phases', 'train', ...tiny, '--set', 'train.steps=100000')
    await running.seen('train: small_cnn')
    running.child.kill('SIGINT')
    running.child.kill('SIGTERM')
    const { code } = await running.done
    assert.ok(code === 143 || code === 130, String(code))
  })

  it('goes on when the reader of stdout has gone', async () => {
    const running = start('--name', 'unread', '--phases', 'train', ...tiny, '--set', 'train.steps=2')
    running.child.stdout?.destroy()
    const { code, stderr } = await running.done
    assert.equal(code, 0, stderr)
    assert.ok(existsSync(join(folder, 'snapshots/unread/train/best')))
  })

  it('says what is kept and how to go on when something fails later', async () => {
    const { code, stderr } = await start(
      '--name',
      'tiny',
      '--phases',
      'evaluate',
      '--set',
      'evaluate.model=nowhere',
      ...tiny,
    ).done
    assert.equal(code, 1)
    assert.match(stderr, /^error: .*nowhere/m)
    assert.match(stderr, /^kept: {2}snapshots\/tiny\/distill\/\S+$/m)
    assert.match(stderr, /^next: {2}npx run-pipeline .*--name tiny --resume$/m)
  })

  it('ends with 4 when training diverges', async () => {
    const wild = ['--set', 'train.optimizer=sgd', '--set', 'train.warmup_steps=0', '--set', 'train.lr=1e30']
    const { code, stderr } = await start('--name', 'wild', '--phases', 'train', ...tiny, ...wild).done
    assert.equal(code, 4, stderr)
    assert.match(stderr, /^error: train .*(NaN|infinite)/m)
  })

  it('ends with 6 when another process works on the run', async () => {
    const args = ['--name', 'taken', '--phases', 'train', ...tiny, '--set', 'train.steps=100000']
    const owner = start(...args)
    await owner.seen('train: small_cnn')
    const { code, stderr } = await start(...args, '--resume').done
    owner.child.kill('SIGINT')
    await owner.done
    assert.equal(code, 6, stderr)
    assert.match(stderr, /only process that works on this run/)
  })

  it('ends with 3 for data that is not there, naming address and folder', async () => {
    const { code, stderr } = await start(
      '--dataset',
      'cifar10',
      '--set',
      'data.download=false',
      '--set',
      'data.directory=none',
    ).done
    assert.equal(code, 3, stderr)
    assert.match(stderr, /none/)
  })
})
