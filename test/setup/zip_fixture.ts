import { crc32, deflateRawSync } from 'node:zlib';

export interface Member {
  readonly name: string;
  readonly data: string | Buffer;
  /** Unix mode with its type bits; a regular file of mode 644 unless given. */
  readonly unixMode?: number;
  readonly stored?: boolean;
  /** The name that the local header carries, where it is to differ. */
  readonly localName?: string;
  readonly zip64?: boolean;
}

/** A zip of the given members, taken as they are: names are not checked. */
export function makeZip(members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const member of members) {
    const data = Buffer.from(member.data);
    const packed = member.stored === true ? data : deflateRawSync(data);
    const fields = { member, data, packed, offset };
    const local = localHeader(fields);
    directory.push(directoryHeader(fields));
    parts.push(local, packed);
    offset += local.length + packed.length;
  }
  const body = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(members.length, 8);
  end.writeUInt16LE(members.length, 10);
  end.writeUInt32LE(body.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...parts, body, end]);
}

interface Fields {
  readonly member: Member;
  readonly data: Buffer;
  readonly packed: Buffer;
  readonly offset: number;
}

function localHeader({ member, data, packed }: Fields): Buffer {
  const name = Buffer.from(member.localName ?? member.name);
  const header = Buffer.alloc(30);
  header.writeUInt32LE(0x04034b50, 0);
  header.writeUInt16LE(member.stored === true ? 0 : 8, 8);
  header.writeUInt32LE(crc32(data), 14);
  header.writeUInt32LE(packed.length, 18);
  header.writeUInt32LE(data.length, 22);
  header.writeUInt16LE(name.length, 26);
  return Buffer.concat([header, name]);
}

function directoryHeader({ member, data, packed, offset }: Fields): Buffer {
  const name = Buffer.from(member.name);
  const extra = member.zip64 === true ? zip64Extra(data.length, packed.length, offset) : null;
  const header = Buffer.alloc(46);
  header.writeUInt32LE(0x02014b50, 0);
  header.writeUInt16LE(0x031e, 4); // made on Unix
  header.writeUInt16LE(member.stored === true ? 0 : 8, 10);
  header.writeUInt32LE(crc32(data), 16);
  header.writeUInt32LE(extra ? 0xffffffff : packed.length, 20);
  header.writeUInt32LE(extra ? 0xffffffff : data.length, 24);
  header.writeUInt16LE(name.length, 28);
  header.writeUInt16LE(extra?.length ?? 0, 30);
  header.writeUInt32LE(((member.unixMode ?? 0o100644) << 16) >>> 0, 38);
  header.writeUInt32LE(extra ? 0xffffffff : offset, 42);
  return Buffer.concat(extra ? [header, name, extra] : [header, name]);
}

function zip64Extra(bytes: number, packedBytes: number, offset: number): Buffer {
  const extra = Buffer.alloc(28);
  extra.writeUInt16LE(0x0001, 0);
  extra.writeUInt16LE(24, 2);
  extra.writeBigUInt64LE(BigInt(bytes), 4);
  extra.writeBigUInt64LE(BigInt(packedBytes), 12);
  extra.writeBigUInt64LE(BigInt(offset), 20);
  return extra;
}
