import { ourSide, peerSide } from './places.js';
import type { PeerName } from './places.js';
import { print } from './report.js';
import { Side } from './side.js';

/** The sides of a bench: ours first, then every peer that is installed. */
export class Sides implements AsyncDisposable {
  readonly ours: Side;
  readonly peers: readonly Side[];

  private constructor(ours: Side, peers: readonly Side[]) {
    this.ours = ours;
    this.peers = peers;
  }

  /** Says which peers are absent and how to install them, and goes on without. */
  static async start(names: readonly PeerName[], threads: number): Promise<Sides> {
    const ours = await Side.start(ourSide(), { threads });
    const peers: Side[] = [];
    try {
      for (const name of names) {
        const command = peerSide(name);
        if ('absent' in command) {
          print(`${name} is not installed (${command.absent}): ours runs without it`);
        } else {
          peers.push(await Side.start(command, { threads }));
        }
      }
    } catch (error) {
      await disposeAll([ours, ...peers]);
      throw error;
    }
    const sides = new Sides(ours, peers);
    print(`sides: ${sides.all.map(describe).join('; ')}; ${threads} threads each, float32`);
    return sides;
  }

  get all(): readonly Side[] {
    return [this.ours, ...this.peers];
  }

  peer(name: PeerName): Side | undefined {
    return this.peers.find((side) => side.name === name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disposeAll(this.all);
  }
}

function describe({ name, versions }: Side): string {
  const parts = Object.entries(versions).map(([part, version]) => `${part} ${version}`);
  return `${name} (${parts.join(', ')})`;
}

async function disposeAll(sides: readonly Side[]): Promise<void> {
  await Promise.all(sides.map((side) => side[Symbol.asyncDispose]()));
}
