// SPDX-License-Identifier: Apache-2.0
// The official JavaScript client: typed and custom objects APIs, the object API, watches and informers, a server that restarts.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import * as k8s from '@kubernetes/client-node';

const group = 'stable.example.com', version = 'v1', plural = 'crontabs';
const namespace = 'js-' + randomUUID().slice(0, 8);
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);
const custom = config.makeApiClient(k8s.CustomObjectsApi);
const objects = k8s.KubernetesObjectApi.makeApiClient(config);
const place = { group, version, namespace, plural };
const path = `/apis/${group}/${version}/namespaces/${namespace}/${plural}`;

const cronTab = (name, labels, spec = {}) => ({
    apiVersion: `${group}/${version}`, kind: 'CronTab', metadata: { name, namespace, labels }, spec: { cronSpec: '* * * * */5', ...spec },
});

async function eventually(what, ask) {
    for (const end = Date.now() + 90000; ;) {
        const got = await ask();
        if (got) {
            return got;
        }
        assert.ok(Date.now() < end, `waited in vain for ${what}`);
        await sleep(30);
    }
}

async function restart(query = '') {
    const answer = await fetch(`${process.env.CORACLE_CONTROL}/restart?down=0.3${query}`, { method: 'POST' });
    assert.equal(answer.status, 200);
}

const status = async (promise) => promise.then(() => 0, (e) => e.code ?? e.statusCode);

before(async () => core.createNamespace({ body: { metadata: { name: namespace } } }));
after(async () => core.deleteNamespace({ name: namespace }));

test('typed API', async () => {
    const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a', labels: { l: 'v' } }, data: { k: 'v' } } });
    assert.ok(made.metadata.creationTimestamp instanceof Date);
    assert.equal(await status(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'a' } } })), 409);
    const next = await core.replaceNamespacedConfigMap({ name: 'a', namespace, body: { ...made, data: { k: 'w' } } });
    assert.notEqual(next.metadata.resourceVersion, made.metadata.resourceVersion);
    assert.equal(await status(core.replaceNamespacedConfigMap({ name: 'a', namespace, body: made })), 409);
    const patched = await core.patchNamespacedConfigMap({ name: 'a', namespace, body: { data: { n: '1' } } },
        k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.StrategicMergePatch));
    assert.deepEqual(patched.data, { k: 'w', n: '1' });
    const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'l=v' });
    assert.deepEqual(list.items.map((o) => o.metadata.name), ['a']);
    await core.deleteNamespacedConfigMap({ name: 'a', namespace });
    assert.equal(await status(core.readNamespacedConfigMap({ name: 'a', namespace })), 404);
    const secret = await core.createNamespacedSecret({ namespace, body: { metadata: { name: 's' }, stringData: { p: 'q' } } });
    assert.deepEqual(secret.data, { p: 'cQ==' });
});

test('custom objects API', async () => {
    const made = await custom.createNamespacedCustomObject({ ...place, body: cronTab('c') });
    assert.deepEqual(made.spec, { cronSpec: '* * * * */5', image: 'busybox', replicas: 1 });
    const merge = k8s.setHeaderOptions('Content-Type', k8s.PatchStrategy.MergePatch);
    let got = await custom.patchNamespacedCustomObject({ ...place, name: 'c', body: { spec: { replicas: 3 } } }, merge);
    assert.equal(got.spec.replicas, 3);
    got = await custom.patchNamespacedCustomObject({ ...place, name: 'c', body: [{ op: 'replace', path: '/spec/image', value: 'x' }] });
    assert.equal(got.spec.image, 'x');
    got = await custom.patchNamespacedCustomObjectStatus({ ...place, name: 'c', body: { status: { replicas: 2 } } }, merge);
    assert.deepEqual([got.status.replicas, got.metadata.generation], [2, 3]);
    assert.equal(await status(custom.patchNamespacedCustomObject({ ...place, name: 'c', body: { spec: { replicas: 99 } } }, merge)), 422);
    for (let i = 0; i < 4; i++) {
        await custom.createNamespacedCustomObject({ ...place, body: cronTab(`page-${i}`, { page: 'x' }) });
    }
    const names = [];
    let _continue, pages = 0;
    do {
        const page = await custom.listNamespacedCustomObject({ ...place, limit: 2, _continue });
        names.push(...page.items.map((o) => o.metadata.name));
        _continue = page.metadata.continue;
        pages++;
    } while (_continue);
    assert.deepEqual([names, pages], [['c', 'page-0', 'page-1', 'page-2', 'page-3'], 3]);
    await custom.deleteNamespacedCustomObject({ ...place, name: 'c' });
    assert.equal(await status(custom.getNamespacedCustomObject({ ...place, name: 'c' })), 404);
});

test('object API', async () => {
    const made = await objects.create(cronTab('o'));
    assert.equal(made.spec.image, 'busybox');
    made.spec.replicas = 2;
    const replaced = await objects.replace(made);
    assert.equal(replaced.metadata.generation, 2);
    const patched = await objects.patch({ ...cronTab('o'), spec: { replicas: 4 } }, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    assert.equal(patched.spec.replicas, 4);
    assert.equal((await objects.read(cronTab('o'))).spec.replicas, 4);
    const list = await objects.list(`${group}/${version}`, 'CronTab', namespace, undefined, undefined, undefined, 'metadata.name=o');
    assert.deepEqual(list.items.map((o) => o.metadata.name), ['o']);
    await objects.delete(cronTab('o'));
    assert.equal(await status(objects.read(cronTab('o'))), 404);
});

test('server-side apply', async () => {
    const apply = (body, manager, force) => objects.patch(body, undefined, undefined, manager, force, k8s.PatchStrategy.ServerSideApply);
    const item = (name, value) => cronTab('s', undefined, { env: [{ name, value }] });
    const first = await apply(item('a', '1'), 'red', false);
    assert.equal(first.spec.replicas, 1);
    const both = await apply(item('b', '1'), 'blue', false);
    assert.deepEqual(both.spec.env.map((e) => e.name), ['a', 'b']);
    assert.equal(await status(apply(item('a', '2'), 'blue', false)), 409);
    const forced = await apply(item('a', '2'), 'blue', true);
    assert.deepEqual(forced.spec.env, [{ name: 'a', value: '2' }]);
    await objects.delete(cronTab('s'));
});

test('watch', async () => {
    const seen = [];
    const { metadata } = await custom.listNamespacedCustomObject(place);
    let { resourceVersion } = metadata, request, over, enough = false;
    const ended = new Promise((resolve) => { over = resolve; });
    const told = (type, o) => {
        resourceVersion = o.metadata.resourceVersion;
        seen.push(`${type} ${o.metadata.name}`);
    };
    const follow = async () => { // the client ends every watch after half a minute: it goes on from there
        request = await new k8s.Watch(config).watch(path, { resourceVersion, labelSelector: 'in=yes' }, told, () => (enough ? over() : follow()));
    };
    await follow();
    await objects.create(cronTab('out'));
    await objects.create(cronTab('in', { in: 'yes' }));
    const patch = (labels) => objects.patch({ ...cronTab('in', labels), spec: {} }, undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    await patch({ in: 'yes', more: 'x' });
    await patch({ in: 'no' });
    await eventually('three events', () => seen.length >= 3);
    assert.deepEqual(seen, ['ADDED in', 'MODIFIED in', 'DELETED in']);
    enough = true;
    request.abort();
    await ended;
});

// makeInformer stops where its connection breaks; the handler starts it again, as its documentation says.
function informerOf(labelSelector) {
    const seen = [];
    const informer = k8s.makeInformer(config, path, () => custom.listNamespacedCustomObject({ ...place, labelSelector }), labelSelector);
    let wanted = true;
    for (const verb of ['add', 'update', 'delete']) {
        informer.on(verb, (o) => seen.push(`${verb} ${o.metadata.name}`));
    }
    const again = async () => {
        await sleep(100);
        if (wanted) {
            await informer.start().catch(again);
        }
    };
    informer.on('error', again);
    return { informer, seen, stop: () => { wanted = false; return informer.stop(); } };
}

test('informer', async () => {
    await objects.create(cronTab('i-0', { informer: 'one' }));
    const { informer, seen, stop } = informerOf('informer=one');
    await informer.start();
    await eventually('the start', () => informer.get('i-0', namespace));
    await objects.create(cronTab('i-1', { informer: 'one' }));
    await objects.create(cronTab('other'));
    await objects.patch(cronTab('i-0', undefined, { replicas: 5 }), undefined, undefined, undefined, undefined, k8s.PatchStrategy.MergePatch);
    await eventually('the change', () => informer.get('i-0', namespace)?.spec.replicas === 5);
    await objects.delete(cronTab('i-1'));
    await eventually('the deletion', () => seen.includes('delete i-1'));
    assert.deepEqual(seen, ['add i-0', 'add i-1', 'update i-0', 'delete i-1']);
    assert.deepEqual(informer.list(namespace).map((o) => o.metadata.name), ['i-0']);
    await stop();
});

test('informer over restarts', async () => {
    await objects.create(cronTab('r-0', { informer: 'two' }));
    const { informer, seen, stop } = informerOf('informer=two');
    await informer.start();
    await eventually('the start', () => informer.get('r-0', namespace));
    for (const [round, query] of [[1, ''], [2, '&signal=KILL']]) {
        await restart(query);
        await eventually('the server', async () => (await status(objects.create(cronTab(`r-${round}`, { informer: 'two' })))) in { 0: 1, 409: 1 });
        await eventually('the addition', () => informer.get(`r-${round}`, namespace));
    }
    await objects.delete(cronTab('r-0'));
    await eventually('the deletion', () => !informer.get('r-0', namespace));
    await stop();
    for (const told of ['add r-0', 'add r-1', 'add r-2', 'delete r-0']) {
        assert.equal(seen.filter((s) => s === told).length, 1, `${told} among ${seen}`);
    }
});
