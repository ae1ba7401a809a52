/* SPDX-License-Identifier: Apache-2.0 */
/* Objects of the built-in types as Go encodes them (k8s.io/api 0.35, apiextensions 0.37): the body
 * in protobuf, in hexadecimal, and the same object as encoding/json writes it, with single quotes.
 */
#ifndef TESTS_SERVICES_PROTOBUF_SAMPLES_H
#define TESTS_SERVICES_PROTOBUF_SAMPLES_H

struct protobuf_sample {
    const char *group, *resource, *hex, *json;
};

static const struct protobuf_sample protobuf_samples[] = {
    {"", "namespaces",
     "6b3873000a0f0a02763112094e616d65737061636512630a110a016e12001a0022002a00320038004200120c"
     "0a0a6b756265726e657465731a400a0b5465726d696e6174696e6712310a194e616d657370616365436f6e74"
     "656e7452656d61696e696e67120454727565220808d983e2b10610002a015232016d1a002200",
     "{'kind':'Namespace','apiVersion':'v1','metadata':{'name':'n'},'spec':{'finalizers':['kub"
     "ernetes']},'status':{'phase':'Terminating','conditions':[{'type':'NamespaceContentRemain"
     "ing','status':'True','lastTransitionTime':'2024-05-06T07:08:09Z','reason':'R','message':"
     "'m'}]}}"},
    {"", "configmaps",
     "6b3873000a0f0a0276311209436f6e6669674d6170128a020ad3010a0466756c6c120566756c6c2d1a076465"
     "6661756c7422052f73656c662a0430643262320234323803420808d983e2b10610004a0808d983e2b1061000"
     "50005a060a01611201625a090a05656d7074791200620c0a016e12077a77c3b66c660a6a1b0a09436f6e6669"
     "674d61701a016f22036f2d312a027631300138007206782e696f2f668a014b0a016d12065570646174651a02"
     "7631220808d983e2b106100032084669656c647356313a1e0a1c7b22663a64617461223a7b222e223a7b7d2c"
     "22663a6b223a7b7d7d7d420673746174757312060a016b12017612080a046e6f6e651200120d0a03756e6912"
     "06c3a4f09f98801a080a0162120300ff101a050a017a120020001a002200",
     "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'full','generateName':'full-','"
     "namespace':'default','selfLink':'/self','uid':'0d2b','resourceVersion':'42','generation'"
     ":3,'creationTimestamp':'2024-05-06T07:08:09Z','deletionTimestamp':'2024-05-06T07:08:09Z'"
     ",'deletionGracePeriodSeconds':0,'labels':{'a':'b','empty':''},'annotations':{'n':'zw\\u0"
     "0f6lf\\n'},'ownerReferences':[{'apiVersion':'v1','kind':'ConfigMap','name':'o','uid':'o-"
     "1','controller':true,'blockOwnerDeletion':false}],'finalizers':['x.io/f'],'managedFields"
     "':[{'manager':'m','operation':'Update','apiVersion':'v1','time':'2024-05-06T07:08:09Z','"
     "fieldsType':'FieldsV1','fieldsV1':{'f:data':{'.':{},'f:k':{}}},'subresource':'status'}]}"
     ",'immutable':false,'data':{'k':'v','none':'','uni':'\\u00e4\\ud83d\\ude00'},'binaryData'"
     ":{'b':'AP8Q','z':''}}"},
    {"", "configmaps",
     "6b3873000a0f0a0276311209436f6e6669674d6170121b0a190a0565706f636812001a0022002a0032003800"
     "4204080010001a002200",
     "{'kind':'ConfigMap','apiVersion':'v1','metadata':{'name':'epoch','creationTimestamp':'19"
     "70-01-01T00:00:00Z'}}"},
    {"", "secrets",
     "6b3873000a0c0a027631120653656372657412400a180a016112001a0764656661756c7422002a0032003800"
     "4200120b0a016b120673656372657412050a017a12001a064f706171756522060a017312017428011a002200",
     "{'kind':'Secret','apiVersion':'v1','metadata':{'name':'a','namespace':'default'},'immuta"
     "ble':true,'data':{'k':'c2VjcmV0','z':''},'stringData':{'s':'t'},'type':'Opaque'}"},
    {"", "serviceaccounts",
     "6b3873000a140a027631120e536572766963654163636f756e7412570a180a016112001a0764656661756c74"
     "22002a0032003800420012310a03506f64120764656661756c741a01702203752d312a0276313201373a1273"
     "7065632e636f6e7461696e6572737b617d1a060a0470756c6c20001a002200",
     "{'kind':'ServiceAccount','apiVersion':'v1','metadata':{'name':'a','namespace':'default'}"
     ",'secrets':[{'kind':'Pod','namespace':'default','name':'p','uid':'u-1','apiVersion':'v1'"
     ",'resourceVersion':'7','fieldPath':'spec.containers{a}'}],'imagePullSecrets':[{'name':'p"
     "ull'}],'automountServiceAccountToken':false}"},
    {"", "events",
     "6b3873000a0b0a02763112054576656e7412d7010a180a016112001a0764656661756c7422002a0032003800"
     "420012310a03506f64120764656661756c741a01702203752d312a0276313201373a12737065632e636f6e74"
     "61696e6572737b617d1a015222016d2a060a0163120168320808d983e2b10610003a0808d983e2b106100040"
     "024a064e6f726d616c520b08d983e2b106108094ef3a5a0f0803120b08d983e2b106108094ef3a6203416374"
     "6a310a03506f64120764656661756c741a01702203752d312a0276313201373a12737065632e636f6e746169"
     "6e6572737b617d720272637a0272691a002200",
     "{'kind':'Event','apiVersion':'v1','metadata':{'name':'a','namespace':'default'},'involve"
     "dObject':{'kind':'Pod','namespace':'default','name':'p','uid':'u-1','apiVersion':'v1','r"
     "esourceVersion':'7','fieldPath':'spec.containers{a}'},'reason':'R','message':'m','source"
     "':{'component':'c','host':'h'},'firstTimestamp':'2024-05-06T07:08:09Z','lastTimestamp':'"
     "2024-05-06T07:08:09Z','count':2,'type':'Normal','eventTime':'2024-05-06T07:08:09.123456Z"
     "','series':{'count':3,'lastObservedTime':'2024-05-06T07:08:09.123456Z'},'action':'Act','"
     "related':{'kind':'Pod','namespace':'default','name':'p','uid':'u-1','apiVersion':'v1','r"
     "esourceVersion':'7','fieldPath':'spec.containers{a}'},'reportingComponent':'rc','reporti"
     "ngInstance':'ri'}"},
    {"events.k8s.io", "events",
     "6b3873000a190a106576656e74732e6b38732e696f2f763112054576656e7412db010a180a016112001a0764"
     "656661756c7422002a00320038004200120b08d983e2b106108094ef3a1a0f0803120b08d983e2b106108094"
     "ef3a220272632a02726932034163743a015242310a03506f64120764656661756c741a01702203752d312a02"
     "76313201373a12737065632e636f6e7461696e6572737b617d4a310a03506f64120764656661756c741a0170"
     "2203752d312a0276313201373a12737065632e636f6e7461696e6572737b617d52046e6f74655a075761726e"
     "696e6762060a01631201686a0808d983e2b1061000720808d983e2b106100078041a002200",
     "{'kind':'Event','apiVersion':'events.k8s.io/v1','metadata':{'name':'a','namespace':'defa"
     "ult'},'eventTime':'2024-05-06T07:08:09.123456Z','series':{'count':3,'lastObservedTime':'"
     "2024-05-06T07:08:09.123456Z'},'reportingController':'rc','reportingInstance':'ri','actio"
     "n':'Act','reason':'R','regarding':{'kind':'Pod','namespace':'default','name':'p','uid':'"
     "u-1','apiVersion':'v1','resourceVersion':'7','fieldPath':'spec.containers{a}'},'related'"
     ":{'kind':'Pod','namespace':'default','name':'p','uid':'u-1','apiVersion':'v1','resourceV"
     "ersion':'7','fieldPath':'spec.containers{a}'},'note':'note','type':'Warning','deprecated"
     "Source':{'component':'c','host':'h'},'deprecatedFirstTimestamp':'2024-05-06T07:08:09Z','"
     "deprecatedLastTimestamp':'2024-05-06T07:08:09Z','deprecatedCount':4}"},
    {"coordination.k8s.io", "leases",
     "6b3873000a1f0a16636f6f7264696e6174696f6e2e6b38732e696f2f763112054c6561736512610a180a0161"
     "12001a0764656661756c7422002a0032003800420012450a0010f1ffffffffffffffff011a0b08d983e2b106"
     "108094ef3a220b08d983e2b106108094ef3a280032164f6c64657374456d756c6174696f6e56657273696f6e"
     "3a026d651a002200",
     "{'kind':'Lease','apiVersion':'coordination.k8s.io/v1','metadata':{'name':'a','namespace'"
     ":'default'},'spec':{'holderIdentity':'','leaseDurationSeconds':-15,'acquireTime':'2024-0"
     "5-06T07:08:09.123456Z','renewTime':'2024-05-06T07:08:09.123456Z','leaseTransitions':0,'s"
     "trategy':'OldestEmulationVersion','preferredHolder':'me'}}"},
    {"authorization.k8s.io", "selfsubjectaccessreviews",
     "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a656374"
     "41636365737352657669657712510a100a0012001a0022002a0032003800420012330a310a016e1203676574"
     "1a0167220276312a01723201733a017842050a03613d624a100a00120c0a016b1202496e1a01761a001a0808"
     "0012001a0020001a002200",
     "{'kind':'SelfSubjectAccessReview','apiVersion':'authorization.k8s.io/v1','metadata':{},'"
     "spec':{'resourceAttributes':{'namespace':'n','verb':'get','group':'g','version':'v1','re"
     "source':'r','subresource':'s','name':'x','fieldSelector':{'rawSelector':'a=b'},'labelSel"
     "ector':{'requirements':[{'key':'k','operator':'In','values':['v','']}]}}},'status':{'all"
     "owed':false}}"},
    {"authorization.k8s.io", "selfsubjectaccessreviews",
     "6b3873000a320a17617574686f72697a6174696f6e2e6b38732e696f2f7631121753656c665375626a656374"
     "416363657373526576696577122e0a100a0012001a0022002a0032003800420012100a0e0a0012001a002200"
     "2a0032003a001a08080012001a0020001a002200",
     "{'kind':'SelfSubjectAccessReview','apiVersion':'authorization.k8s.io/v1','metadata':{},'"
     "spec':{'resourceAttributes':{}},'status':{'allowed':false}}"},
    {"authorization.k8s.io", "subjectaccessreviews",
     "6b3873000a2e0a17617574686f72697a6174696f6e2e6b38732e696f2f763112135375626a65637441636365"
     "737352657669657712540a100a0012001a0022002a003200380042001236120f0a082f6865616c74687a1203"
     "6765741a017522026731220267322a140a0673636f706573120a0a036f6e650a0374776f320269641a080800"
     "12001a0020001a002200",
     "{'kind':'SubjectAccessReview','apiVersion':'authorization.k8s.io/v1','metadata':{},'spec"
     "':{'nonResourceAttributes':{'path':'/healthz','verb':'get'},'user':'u','groups':['g1','g"
     "2'],'extra':{'scopes':['one','two']},'uid':'id'},'status':{'allowed':false}}"},
    {"authorization.k8s.io", "localsubjectaccessreviews",
     "6b3873000a330a17617574686f72697a6174696f6e2e6b38732e696f2f763112184c6f63616c5375626a6563"
     "7441636365737352657669657712610a110a0012001a016e22002a0032003800420012420a310a016e120367"
     "65741a0167220276312a01723201733a017842050a03613d624a100a00120c0a016b1202496e1a01761a001a"
     "01752a080a046e6f6e65120032001a08080012001a0020001a002200",
     "{'kind':'LocalSubjectAccessReview','apiVersion':'authorization.k8s.io/v1','metadata':{'n"
     "amespace':'n'},'spec':{'resourceAttributes':{'namespace':'n','verb':'get','group':'g','v"
     "ersion':'v1','resource':'r','subresource':'s','name':'x','fieldSelector':{'rawSelector':"
     "'a=b'},'labelSelector':{'requirements':[{'key':'k','operator':'In','values':['v','']}]}}"
     ",'user':'u','extra':{'none':[]}},'status':{'allowed':false}}"},
    {"authorization.k8s.io", "selfsubjectrulesreviews",
     "6b3873000a310a17617574686f72697a6174696f6e2e6b38732e696f2f7631121653656c665375626a656374"
     "52756c6573526576696577121d0a100a0012001a0022002a0032003800420012030a016e1a04180022001a00"
     "2200",
     "{'kind':'SelfSubjectRulesReview','apiVersion':'authorization.k8s.io/v1','metadata':{},'s"
     "pec':{'namespace':'n'},'status':{'resourceRules':null,'nonResourceRules':null,'incomplet"
     "e':false}}"},
    {"authentication.k8s.io", "tokenreviews",
     "6b3873000a270a1861757468656e7469636174696f6e2e6b38732e696f2f7631120b546f6b656e5265766965"
     "7712260a100a0012001a0022002a0032003800420012060a01741201611a0a080012040a0012001a001a0022"
     "00",
     "{'kind':'TokenReview','apiVersion':'authentication.k8s.io/v1','metadata':{},'spec':{'tok"
     "en':'t','audiences':['a']},'status':{'user':{}}}"},
    {"authentication.k8s.io", "selfsubjectreviews",
     "6b3873000a2d0a1861757468656e7469636174696f6e2e6b38732e696f2f7631121153656c665375626a6563"
     "74526576696577121a0a100a0012001a0022002a0032003800420012060a040a0012001a002200",
     "{'kind':'SelfSubjectReview','apiVersion':'authentication.k8s.io/v1','metadata':{},'statu"
     "s':{'userInfo':{}}}"},
    {"", "configmaps",
     "6b3873000a130a027631120d44656c6574654f7074696f6e73121e080012070a017512023132220a466f7265"
     "67726f756e642a03416c6c30001a002200",
     "{'kind':'DeleteOptions','apiVersion':'v1','gracePeriodSeconds':0,'preconditions':{'uid':"
     "'u','resourceVersion':'12'},'propagationPolicy':'Foreground','dryRun':['All'],'ignoreSto"
     "reReadErrorWithClusterBreakingPotential':false}"},
    {"", "configmaps", "6b3873000a130a027631120d44656c6574654f7074696f6e73120218001a002200",
     "{'kind':'DeleteOptions','apiVersion':'v1','orphanDependents':false}"},
    {"apiextensions.k8s.io", "customresourcedefinitions",
     "6b3873000a330a17617069657874656e73696f6e732e6b38732e696f2f76311218437573746f6d5265736f75"
     "726365446566696e6974696f6e12bf050a620a0877732e652e636f6d12001a0022002a003200380042008a01"
     "470a016d12054170706c791a027631220808d983e2b106100032084669656c647356313a1b0a197b22663a73"
     "706563223a7b22663a67726f7570223a7b7d7d7d420673746174757312a8040a05652e636f6d1a0b0a027773"
     "12002201572a002207436c75737465723ae3030a0276311001180122c6030ac3030a00120022002a066f626a"
     "65637432003a00500060007a00900100ba010161ea01620a0161125d0a00120022002a07696e746567657232"
     "003a0042140a127b2278223a5b312c6e756c6c2c2279225d7d500059000000000000f8bf600068037a009001"
     "00a201030a0131a201050a03226222a201060a0474727565a80200b80200c00200ea01280a016212230a0012"
     "0022002a0032003a00500060007a00900100f201020800a80200b80200c00200ea01770a016312720a001200"
     "22002a0032003a00500060007a00900100c201260a240a00120022002a066e756d62657232003a0050006000"
     "7a00900100a80200b80200c00200f20128080112240a00120022002a06737472696e6732003a00500060007a"
     "00900100a80200b80200c00200a80200b80200c00200ea018d010a01641287010a00120022002a0032003a00"
     "500060007a00900100c2014612240a00120022002a06737472696e6732003a00500060007a00900100a80200"
     "b80200c00200121e0a00120022002a0032003a00500060007a00900100a80201b80200c00200f201020801a8"
     "0200b80200c00200ca02016bd202036d6170e2020e0a0473656c6612001a002a003000a80200b80200c00200"
     "2a0c0a0012080a022e7312022e74380042004a210a07576562686f6f6b121612100a090a016e12017320bb03"
     "12030001021a02763150001a2e0a190a01541204547275651a0808d983e2b106100022002a003000120b0a02"
     "777312002201572a001a02763120001a002200",
     "{'kind':'CustomResourceDefinition','apiVersion':'apiextensions.k8s.io/v1','metadata':{'n"
     "ame':'ws.e.com','managedFields':[{'manager':'m','operation':'Apply','apiVersion':'v1','t"
     "ime':'2024-05-06T07:08:09Z','fieldsType':'FieldsV1','fieldsV1':{'f:spec':{'f:group':{}}}"
     ",'subresource':'status'}]},'spec':{'group':'e.com','names':{'plural':'ws','kind':'W'},'s"
     "cope':'Cluster','versions':[{'name':'v1','served':true,'storage':true,'deprecationWarnin"
     "g':'','schema':{'openAPIV3Schema':{'type':'object','required':['a'],'properties':{'a':{'"
     "type':'integer','default':{'x':[1,null,'y']},'minimum':-1.5,'maxLength':3,'enum':[1,'b',"
     "true]},'b':{'additionalProperties':false},'c':{'items':{'type':'number'},'additionalProp"
     "erties':{'type':'string'}},'d':{'items':[{'type':'string'},{'nullable':true}],'additiona"
     "lProperties':true,'x-kubernetes-list-map-keys':['k'],'x-kubernetes-list-type':'map','x-k"
     "ubernetes-validations':[{'rule':'self','optionalOldSelf':false}]}}}},'subresources':{'st"
     "atus':{},'scale':{'specReplicasPath':'.s','statusReplicasPath':'.t'}}}],'conversion':{'s"
     "trategy':'Webhook','webhook':{'clientConfig':{'service':{'namespace':'n','name':'s','por"
     "t':443},'caBundle':'AAEC'},'conversionReviewVersions':['v1']}}},'status':{'conditions':["
     "{'type':'T','status':'True','lastTransitionTime':'2024-05-06T07:08:09Z'}],'acceptedNames"
     "':{'plural':'ws','kind':'W'},'storedVersions':['v1']}}"},
};

#endif
