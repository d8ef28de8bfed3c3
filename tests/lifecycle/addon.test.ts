import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { FileLock, NativeModule, NativeOptimizer, torch } from '../../src/binding/index.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const binding = new URL('../../src/binding/index.ts', import.meta.url).href

/** Runs a module text in a Node process of its own, with TypeScript loaded. */
function run(code: string): { status: number | null; signal: string | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
    cwd: root,
    encoding: 'utf8',
    timeout: 120_000,
  })
}

describe('addon lifecycle', () => {
  test('loads in worker threads, and the main thread goes on after they end', () => {
    const result = run(`
      import { Worker } from 'node:worker_threads'
      import { torch } from '${binding}'
      const code = \`
        import { parentPort } from 'node:worker_threads'
        (await import('tsx/esm/api')).register()
        const { torch, NativeModule } = await import('${binding}')
        const net = await NativeModule.createBackbone('resnet_test', { num_classes: 3 })
        const out = await net.forward(torch.ones([2, 3, 32, 32]))
        parentPort.postMessage(out.shape)\`
      for (let i = 0; i < 3; i++) {
        const shape = await new Promise((done, fail) => {
          const worker = new Worker(code, { eval: true })
          worker.on('message', (m) => worker.terminate().then(() => done(m)))
          worker.on('error', fail)
        })
        if (JSON.stringify(shape) !== '[2,3]') throw new Error('shape ' + JSON.stringify(shape))
      }
      console.log(torch.ops.sum(torch.ones([3])).item())`)
    assert.equal(result.status, 0, result.stderr)
    assert.equal(result.stdout.trim(), '3')
  })

  test('a process that exits in the middle of native work ends cleanly with its own status', () => {
    const result = run(`
      import { torch, NativeModule } from '${binding}'
      const net = await NativeModule.createBackbone('resnet18', { num_classes: 3 })
      for (let i = 0; i < 20; i++) net.forward(torch.ones([8, 3, 64, 64])).catch(() => {})
      setTimeout(() => process.exit(7), 50)`)
    assert.equal(result.signal, null, result.stderr)
    assert.equal(result.status, 7, result.stderr)
  })

  test('an idle engine does not keep the process alive', () => {
    const result = run(`
      import { torch, NativeModule } from '${binding}'
      await NativeModule.createBackbone('resnet_test', { num_classes: 3 })
      console.log('done')`)
    assert.equal(result.status, 0, result.stderr)
    assert.equal(result.stdout.trim(), 'done')
  })

  test('a library that is not an addon gives a BindingError with solutions, not a crash', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trivium-addon-'))
    const path = join(folder, 'broken.node')
    writeFileSync(path, 'not a shared library')
    const result = spawnSync(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '-e', `(await import('${binding}')).torch.liveTensors()`],
      { cwd: root, encoding: 'utf8', env: { ...process.env, TRIVIUM_ADDON: path } },
    )
    rmSync(folder, { recursive: true })
    assert.equal(result.status, 1)
    assert.match(result.stderr, /BindingError: the native addon .* could not be loaded/)
    assert.match(result.stderr, /Possible solutions:/)
  })

  test('a lock is refused to a second holder and freed when its process dies', () => {
    const folder = mkdtempSync(join(tmpdir(), 'trivium-lock-'))
    const path = join(folder, 'run.lock')
    try {
      const lock = FileLock.tryAcquire(path)
      assert.ok(lock)
      assert.equal(FileLock.tryAcquire(path), null)
      lock.release()
      const result = run(`
        import { FileLock } from '${binding}'
        console.log(FileLock.tryAcquire(${JSON.stringify(path)}) !== null)
        process.kill(process.pid, 'SIGKILL')`)
      assert.equal(result.signal, 'SIGKILL')
      assert.equal(result.stdout.trim(), 'true')
      const again = FileLock.tryAcquire(path)
      assert.ok(again, 'the kernel freed the lock of the killed process')
      again.release()
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('a loop of 1,000 training steps leaks no tensor and stays under a fixed amount of memory', async () => {
    const net = await NativeModule.createBackbone('small_cnn', { num_classes: 4 })
    // In a scope: handles of parameters left to the garbage collector would be counted until it runs.
    const optimizer = await torch.scope(
      async () => new NativeOptimizer('sgd', [{ parameters: net.namedParameters() }], { momentum: 0.9 }),
    )
    net.train(true)
    const step = (): Promise<number> =>
      torch.scope(async () => {
        const logits = await net.forward(torch.ones([16, 3, 16, 16]))
        const labels = torch.zeros([16], { dtype: 'int64' })
        const loss = torch.ops.crossEntropyLoss(logits, labels)
        await optimizer.zeroGrad()
        await torch.backward(loss)
        await optimizer.step(0.001)
        return loss.item()
      })
    const live = torch.liveTensors()
    for (let i = 0; i < 200; i++) await step()
    const rss = process.memoryUsage.rss()
    let last = 0
    for (let i = 0; i < 1000; i++) last = await step()
    assert.equal(torch.liveTensors(), live)
    assert.ok(Number.isFinite(last))
    const grown = (process.memoryUsage.rss() - rss) / 2 ** 20
    assert.ok(grown < 64, `memory grew by ${grown.toFixed(1)} MiB over 1,000 steps`)
  })
})
